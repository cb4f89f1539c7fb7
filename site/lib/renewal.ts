/**
 * Renewing who is here for as long as it takes.
 *
 * The packages that the site is built with ask a server that does not answer again for some three seconds. Then they
 * fail with an error that nobody catches, and a socket that they had closed to renew a token stays closed. Most restarts
 * and most tunnels take longer; so ask on, ever more seldom, until there is an answer.
 */

export type FetchToken = (args: { forceRefreshToken: boolean }) => Promise<string | null | undefined>;

const FIRST_WAIT_MS = 1_000;
const WAIT_MAX_MS = 15_000;

export class Renewal {
  #turn = 0;

  /** `pause` waits as long as it is told, or until there is reason to believe that asking helps. */
  constructor(private readonly pause: (ms: number) => Promise<void>) {}

  /**
   * What fetches a token, and does not give up; that there is none is an answer.
   *
   * Whoever asks anew ends the asking before, as the client does, which passes over what that gives.
   */
  patient(fetch: FetchToken): FetchToken {
    return async (args) => {
      const turn = ++this.#turn;
      for (let wait = FIRST_WAIT_MS; turn === this.#turn; wait = Math.min(2 * wait, WAIT_MAX_MS)) {
        try {
          return await fetch(args);
        } catch {
          await this.pause(wait);
        }
      }
      return null;
    };
  }
}
