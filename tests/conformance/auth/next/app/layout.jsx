import { ConvexAuthNextjsServerProvider } from "@convex-dev/auth/nextjs/server";
import { Provider } from "./provider";
import "./style.css";

export const metadata = { title: "Notes", icons: { icon: "data:," } };
export const dynamic = "force-dynamic";

export default function Layout({ children }) {
  return (
    <ConvexAuthNextjsServerProvider storageNamespace="notes">
      <html lang="en">
        <body>
          <Provider url={process.env.CONVEX_URL}>{children}</Provider>
        </body>
      </html>
    </ConvexAuthNextjsServerProvider>
  );
}
