/** Who is signed in, decided on the server: the shipped middleware, and one page that is not for everybody. */

import { convexAuthNextjsMiddleware, createRouteMatcher, nextjsMiddlewareRedirect } from "@convex-dev/auth/nextjs/server";

const isPrivate = createRouteMatcher(["/private(.*)"]);

export default convexAuthNextjsMiddleware(
  async (request, { convexAuth }) => {
    if (isPrivate(request) && !(await convexAuth.isAuthenticated())) {
      return nextjsMiddlewareRedirect(request, "/");
    }
  },
  // Not the usual NEXT_PUBLIC_CONVEX_URL: that is written into the build, and deployments of tests come and go.
  { convexUrl: process.env.CONVEX_URL },
);

export const config = { matcher: ["/((?!.*\\..*|_next).*)", "/"] };
