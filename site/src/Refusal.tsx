import { ConvexError } from "convex/values";

/** Why something was not done, in the words of the function that refused, if it has some for us. */
export function Refusal({ error }: { error: unknown }) {
  if (error === null) return null;
  return (
    <p className="refusal" role="alert">
      {sentence(error)}
    </p>
  );
}

function sentence(error: unknown): string {
  if (error instanceof ConvexError) {
    const data: unknown = error.data;
    if (typeof data === "object" && data !== null && "message" in data) return String(data.message);
  }
  return "That did not work. The console says more.";
}
