/**
 * What the clients of this page say and hear, in `window.wire`, oldest first.
 *
 * An entry has a `way` ("up" and "down" on a socket, "post" and "answer" over HTTP) and the message.
 * Imported before anything else, so that nothing is missed. It changes nothing of what passes, unless a test
 * puts into `window.troubles` what happens to the next requests: "broken" fails before it is sent, "lost" when
 * it was answered, as they do when a connection breaks; "slow" is answered when the test calls `window.release`.
 */

window.wire = [];
window.troubles = [];

window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) => window.wire.push({ way: "down", ...JSON.parse(data) }));
  }

  send(data) {
    window.wire.push({ way: "up", ...JSON.parse(data) });
    super.send(data);
  }
};

const send = window.fetch;

window.fetch = async (url, options) => {
  window.wire.push({ way: "post", url: String(url), headers: options?.headers, ...parsed(options?.body) });
  const trouble = window.troubles.shift();
  if (trouble === "broken") throw new TypeError("Failed to fetch");
  const response = await send(url, options);
  window.wire.push({ way: "answer", status: response.status, ...parsed(await response.clone().text()) });
  if (trouble === "lost") throw new TypeError("Failed to fetch");
  if (trouble === "slow") await new Promise((release) => (window.release = release));
  return response;
};

function parsed(body) {
  return typeof body === "string" ? JSON.parse(body) : {};
}
