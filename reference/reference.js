// Shows openapi.json as a page. It is loaded from the service itself, so the page always
// describes the deployed version. Text only ever becomes text nodes.

/** @typedef {Node | string | null | undefined | false} Child */
/** @typedef {{ [key: string]: any }} Json An object of the document. */

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

/**
 * An element with attributes and children.
 *
 * @param {string} tag
 * @param {{ [name: string]: string } | null} attributes
 * @param {...any} children
 */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * The Markdown that the document uses: paragraphs, `code` and [links](https://…).
 *
 * @param {string | undefined} markdown
 */
function prose(markdown) {
  const paragraphs = (markdown ?? '').split(/\n\s*\n/).filter(Boolean);
  return paragraphs.map((paragraph) => h('p', null, inline(paragraph)));
}

/**
 * @param {string | undefined} markdown
 * @returns {Child[]}
 */
function inline(markdown) {
  const parts = (markdown ?? '').split(/(`[^`]+`|\[[^\]]+\]\(https:[^)\s]+\))/);
  return parts.map((part) => {
    if (part.startsWith('`') && part.length > 1) return h('code', null, part.slice(1, -1));
    const link = /^\[(.+)\]\((https:.+)\)$/.exec(part);
    return link ? h('a', { href: link[2] ?? '' }, link[1]) : part;
  });
}

/**
 * Resolves a reference and returns its target with its name. Returns anything else as it is.
 *
 * @param {Json} root
 * @param {Json} value
 * @returns {Json}
 */
function resolved(root, value) {
  if (!value.$ref) return value;
  return value.$ref.slice(2).split('/').reduce((/** @type {Json} */ at, /** @type {string} */ key) => at[key], root);
}

/** @param {Json} schema */
const nameOf = (schema) => schema.$ref?.split('/').pop();

/**
 * @param {Child[][]} lists
 * @param {string} separator
 */
const joined = (lists, separator) => lists.flatMap((list, index) => (index ? [separator, ...list] : list));

/**
 * A type in words, with links to named schemas.
 *
 * @param {Json} schema
 * @returns {Child[]}
 */
function type(schema) {
  const name = nameOf(schema);
  if (name) return [h('a', { href: `#schema-${name}` }, name)];
  if ('const' in schema) return [h('code', null, JSON.stringify(schema.const))];
  if (schema.enum) return joined(schema.enum.map((/** @type {unknown} */ one) => [h('code', null, JSON.stringify(one))]), ', ');
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return joined(several.map(type), ' or ');
  if (schema.allOf) return joined(schema.allOf.map(type), ' and ');
  if (schema.items) return ['list of ', ...type(schema.items)];
  const types = [schema.type ?? 'any JSON'].flat().join(' or ');
  return [schema.format ? `${types} (${schema.format})` : types];
}

/** Words for the keywords that limit a value. @type {[string, string][]} */
const LIMITS = [
  ['minLength', 'at least % characters'], ['maxLength', 'at most % characters'],
  ['minimum', 'at least %'], ['maximum', 'at most %'],
  ['minItems', 'at least % items'], ['maxItems', 'at most % items'],
  ['minProperties', 'at least % fields'], ['maxProperties', 'at most % fields'],
  ['default', '% by default'],
];

/** @param {Json} schema */
function limits(schema) {
  const texts = LIMITS.filter(([key]) => key in schema).map(([key, text]) => text.replace('%', String(schema[key])));
  const pattern = schema.pattern && [texts.length ? '; ' : '', 'matches ', h('code', null, schema.pattern)];
  return texts.length || pattern ? h('span', { class: 'muted' }, texts.join(', '), pattern || []) : null;
}

/**
 * One row of a table of fields or parameters.
 *
 * @param {string} name
 * @param {Json} schema
 * @param {string | undefined} description
 * @param {string} note
 * @returns {Node}
 */
function row(name, schema, description, note) {
  const inner = schema.items ?? schema;
  return h('tr', null,
    h('td', null, h('code', null, name), note && h('div', { class: 'muted' }, note)),
    h('td', null, h('div', null, type(schema)), prose(description ?? schema.description), limits(schema), inner.properties && !inner.$ref && fields(inner)));
}

/** @param {Node[]} rows */
function table(rows) {
  const head = h('tr', null, h('th', { scope: 'col' }, 'Name'), h('th', { scope: 'col' }, 'Value'));
  return h('table', { class: 'fields' }, h('thead', null, head), h('tbody', null, rows));
}

/**
 * @param {Json} schema
 * @returns {Node | null}
 */
function fields(schema) {
  const required = schema.required ?? [];
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => row(name, field, undefined, required.includes(name) ? '' : 'optional'));
  return rows.length ? table(rows) : null;
}

/**
 * A schema with all of its keywords.
 *
 * @param {Json} schema
 */
function whole(schema) {
  return [
    !schema.properties && h('p', null, type(schema)),
    ...(nameOf(schema) ? [] : prose(schema.description)),
    limits(schema),
    fields(schema),
  ];
}

/** @param {Json} media */
function examples(media) {
  const one = 'example' in media ? { example: { value: media.example } } : {};
  const all = Object.values({ ...one, ...media.examples });
  return all.map((example) => h('details', null,
    h('summary', null, 'Example', example.summary ? `: ${example.summary}` : ''),
    h('div', null, h('pre', { tabindex: '0' }, h('code', null, JSON.stringify(example.value, null, 2))))));
}

/** @param {Json | undefined} content */
function bodies(content) {
  return Object.entries(content ?? {}).flatMap(([kind, media]) => [
    kind !== 'application/json' && h('p', { class: 'muted' }, kind),
    ...(media.schema ? whole(media.schema) : []),
    ...examples(media),
  ]);
}

/**
 * @param {Json} root
 * @param {string} status
 * @param {Json} reference
 */
function response(root, status, reference) {
  const { description, content } = resolved(root, reference);
  const title = [h('code', null, status), ' ', ...inline(description)];
  const inner = bodies(content);
  return inner.length ? h('details', null, h('summary', null, title), h('div', null, inner)) : h('p', null, title);
}

/**
 * @param {Json} root
 * @param {string} path
 * @param {string} method
 * @param {Json} item
 */
function call(root, path, method, item) {
  const operation = item[method];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolved(root, one));
  const scopes = operation.security?.flatMap((/** @type {Json} */ way) => Object.values(way).flat()) ?? [];
  return h('article', { id: operation.operationId, 'aria-labelledby': `${operation.operationId}-title` },
    h('h3', { id: `${operation.operationId}-title` }, operation.summary),
    h('p', null, h('span', { class: 'method' }, method), h('code', null, path)),
    prose(operation.description),
    h('p', { class: 'muted' }, scopes.length ? `Scope: ${[...new Set(scopes)].join(', ')}` : operation.security?.length ? 'Any key' : 'No key'),
    parameters.length > 0 && [
      h('h4', null, 'Parameters'),
      table(parameters.map((one) => row(one.name, one.schema, one.description, one.in + (one.required ? '' : ', optional')))),
    ],
    operation.requestBody && [h('h4', null, 'Body'), ...bodies(resolved(root, operation.requestBody).content)],
    h('h4', null, 'Responses'),
    Object.entries(operation.responses ?? {}).map(([status, one]) => response(root, status, one)));
}

/**
 * @param {Json} root
 * @returns {{ tag: Json, calls: { operation: Json, element: Node }[] }[]}
 */
function groups(root) {
  const paths = Object.entries({ ...root.paths, ...root.webhooks });
  const all = paths.flatMap(([path, item]) => METHODS.filter((method) => item[method])
    .map((method) => ({ operation: item[method], element: call(root, path, method, item) })));
  return root.tags.map((/** @type {Json} */ tag) => ({
    tag,
    calls: all.filter(({ operation }) => operation.tags?.includes(tag.name)),
  }));
}

/**
 * @param {string} title
 * @param {[string, string][]} links
 */
const listed = (title, links) => [h('strong', null, title), h('ul', null, links.map(([id, text]) => h('li', null, h('a', { href: `#${id}` }, text))))];

/** @param {Json} root */
function show(root) {
  const main = /** @type {HTMLElement} */ (document.getElementById('main'));
  const contents = /** @type {HTMLElement} */ (document.getElementById('contents'));
  const schemas = Object.entries(root.components.schemas);
  const sections = groups(root);
  document.title = `${root.info.title}: API reference`;
  contents.replaceChildren(
    ...sections.flatMap(({ tag, calls }) => listed(tag.name, calls.map(({ operation }) => [operation.operationId, operation.summary]))),
    ...listed('Schemas', schemas.map(([name]) => [`schema-${name}`, name])));
  main.replaceChildren(
    h('h1', null, `${root.info.title} `, h('span', { class: 'muted' }, root.info.version)),
    ...prose(root.info.description),
    h('p', null, 'For tools and client generators: ', h('a', { href: '../openapi.json' }, 'openapi.json')),
    ...sections.map(({ tag, calls }) => h('section', null, h('h2', null, tag.name), prose(tag.description), calls.map(({ element }) => element))),
    h('section', null, h('h2', null, 'Schemas'),
      schemas.map(([name, schema]) => h('article', { id: `schema-${name}` }, h('h3', null, name), whole(schema)))));
  // The address's target did not exist until now, so scroll to it.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  const answer = await fetch('../openapi.json');
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  show(await answer.json());
} catch (error) {
  document.getElementById('main')?.replaceChildren(h('p', { role: 'alert' }, `openapi.json could not be loaded: ${error}`));
}
