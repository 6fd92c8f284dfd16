// What the build puts in.
declare module '*.css' {
  const css: string;
  export default css;
}
declare var WIDGET_VERSION: string;
