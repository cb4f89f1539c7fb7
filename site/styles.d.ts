declare module "*.module.css" {
  const classes: Readonly<Record<string, string>>;
  export default classes;
}
declare module "*.css" {}
declare module "@fontsource-variable/newsreader" {}
declare module "@fontsource-variable/newsreader/wght-italic.css" {}

/** Where the backend is; `/deployment.js` says it. */
declare var deployment: { readonly url: string } | undefined;
