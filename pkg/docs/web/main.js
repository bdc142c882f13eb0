// The page of the API's reference: swagger-ui, which only shows the document. The handler puts before this script
// swagger-ui, as SwaggerUIBundle, and the stylesheets, as styles.

// The page's policy refuses inline styles; it permits a stylesheet that a script makes. Each is a layer of the
// cascade: a rule of a later one wins, whatever its selector.
document.adoptedStyleSheets = styles.map((text) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`@layer { ${text} }`);
  return sheet;
});

// swagger-ui has a class for the dark theme.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// readOnly replaces components of swagger-ui: its Markdown, which makes HTML of text, and what asks for a key or
// opens a window.
const readOnly = ({ React: { createElement: h } }) => {
  const spans = (text) => text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s]+\*|<i>[^<]*<\/i>)/).map((part) => {
    if (/^`.+`$/s.test(part)) return h("code", {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/s.test(part)) return h("strong", {}, part.slice(2, -2));
    if (/^<i>.+<\/i>$/s.test(part)) return h("em", {}, part.slice(3, -4)); // swagger-ui's own
    return /^\*.+\*$/.test(part) ? h("em", {}, part.slice(1, -1)) : part;
  });
  // A block is a paragraph, or a list if each of its lines begins with a hyphen or continues such a line.
  const block = (text, key) =>
    text.startsWith("- ")
      ? h("ul", { key }, text.slice(2).split(/\n- /).map((item, i) => h("li", { key: i }, ...spans(item))))
      : h("p", { key }, ...spans(text));
  const Text = ({ source, className }) =>
    source ? h("div", { className: `${className ?? ""} markdown` }, source.trim().split(/\n{2,}/).map(block)) : null;
  const Link = ({ href, children }) => h("a", { href, rel: "noreferrer" }, children); // here, not in a new window
  const Address = ({ servers }) => h("code", {}, servers.first().get("url")); // the only one
  const Nothing = () => null;
  return {
    wrapComponents: {
      Markdown: () => Text, Link: () => Link, Servers: () => Address,
      AuthorizeBtnContainer: () => Nothing, authorizeOperationBtn: () => Nothing, InfoUrl: () => Nothing,
    },
  };
};

// resolver replaces swagger-ui's, which parses the whole document whenever a reader opens an operation: half a second
// each. All references of this document lead to its components. One that leads to what it is part of stays a reference.
const resolver = () => {
  const at = (document, path) => path.reduce((value, key) => value?.[key], document);
  const resolve = (document, value, within = []) => {
    if (Array.isArray(value)) return value.map((element) => resolve(document, element, within));
    if (typeof value !== "object" || value === null) return value;
    const ref = value.$ref;
    if (typeof ref !== "string") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(document, v, within)]));
    if (within.includes(ref)) return value;
    return { ...resolve(document, at(document, ref.slice(2).split("/")), [...within, ref]), $$ref: ref };
  };
  return { fn: { resolveSubtree: async (document, path) => ({ spec: resolve(document, at(document, path)), errors: [] }) } };
};

SwaggerUIBundle({
  url: new URL("../api/openapi.json", document.baseURI).href,
  domNode: document.getElementById("api"),
  plugins: [readOnly, resolver],
  supportedSubmitMethods: [],
  syntaxHighlight: false,
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
