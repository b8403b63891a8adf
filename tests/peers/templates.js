// templates.js SEED COUNT - makes templates and data by chance, and what npm's handlebars makes of them: a line of JSON each.
const Handlebars = require('handlebars');

let state = BigInt(process.argv[2]) * 2862933555777941757n + 3037000493n;
function chance(n) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(n));
}
const pick = (list) => list[chance(list.length)];

// SendGrid's helpers, as their page describes them.
// equals compares "independent of their data type": a number, its text and 1 and 0 for true and false.
const number = (v) => (typeof v === 'boolean' || (typeof v === 'string' && v.trim() !== '') ? Number(v) : v);
const same = (a, b) => a === b || (a == null && b == null) || (typeof a !== typeof b && typeof a !== 'object' && typeof b !== 'object' && a != null && b != null && number(a) === number(b));
const truth = (v) => !(v === undefined || v === null || v === false || v === '' || v === 0 || (Array.isArray(v) && v.length === 0));
const either = (f) => function (...args) {
  const options = args.pop();
  const yes = f(...args);
  if (!options.fn) return yes;
  return yes ? options.fn(this) : options.inverse(this);
};
Handlebars.registerHelper('equals', either((a, b) => same(a, b)));
Handlebars.registerHelper('notEquals', either((a, b) => !same(a, b)));
Handlebars.registerHelper('and', either((...v) => v.every(truth)));
Handlebars.registerHelper('or', either((...v) => v.some(truth)));
Handlebars.registerHelper('insert', (v, d) => (v === undefined || v === null || v === '' ? d.replace(/^default=/, '') : v));
Handlebars.registerHelper('length', (v) => (Array.isArray(v) || typeof v === 'string' ? v.length : 0));

const names = ['a', 'b', 'c', 'list', 'person', 'empty', 'no', 'x-y', 'größe', 'items'];
const strings = ['', 'x', '<b>&"\'`=', 'two words', 'é😀', '0', '12', 'line\nend', ' '];
function value(depth) {
  switch (chance(depth > 2 ? 6 : 9)) {
    case 0: return pick(strings);
    case 1: return chance(100) - 20;
    case 2: return pick([0, 1.5, -0.25, 1e21, 1e-7, 123456.75, 100]);
    case 3: return pick([true, false]);
    case 4: return null;
    case 5: return pick(strings);
    case 6: { const l = []; for (let i = chance(4); i > 0; i--) l.push(value(depth + 1)); return l; }
    default: { const o = {}; for (let i = chance(5); i > 0; i--) o[pick(names)] = value(depth + 1); return o; }
  }
}

const blanks = ['', '', '', ' ', '\n', '  \n', '\n  ', '\t', '\r\n', 'x', 'text ', ' y\n', '{', '}', '\\', 'é'];
const text = () => { let s = ''; for (let i = chance(4); i > 0; i--) s += pick(blanks); return s; };
const open = () => (chance(8) ? '{{' : '{{~');
const close = () => (chance(8) ? '}}' : '~}}');
function path() {
  const first = pick([...names, ...names, 'this', '../a', '../../b', '@root.a', '@index', '@key', '@first', '@last', './c', '[x y]', '.', '@../index']);
  if (first.startsWith('@') && !first.startsWith('@root')) return first;
  return chance(3) || first === '.' ? first : first + pick(['.', '/']) + pick([...names, 'length', '[0]', '0']);
}
const literal = () => pick(['"str"', "'x'", '5', '0', 'true', 'false', 'null', 'undefined', '-1.5']);
const simple = () => (chance(5) ? path() : literal());
const argument = (depth) => (depth < 2 && !chance(8) ? `(${pick(['equals', 'notEquals', 'and', 'or'])} ${simple()} ${simple()})` : simple());
function block(depth) {
  const kind = chance(10);
  const other = () => (chance(2) ? `${open()}${pick(['else', '^'])}${close()}${program(depth + 1)}` : '');
  if (kind < 2) {
    let s = `${open()}#if ${argument(0)}${close()}${program(depth + 1)}`;
    for (let i = chance(3); i > 0; i--) s += `${open()}else if ${argument(0)}${close()}${program(depth + 1)}`;
    return s + other() + `${open()}/if${close()}`;
  }
  if (kind < 3) return `${open()}#unless ${argument(0)}${close()}${program(depth + 1)}${other()}${open()}/unless${close()}`;
  if (kind < 6) {
    const as = pick(['', '', ' as |item|', ' as |item i|']);
    return `${open()}#each ${path()}${as}${close()}${program(depth + 1)}${as ? '{{item}}' : ''}${other()}${open()}/each${close()}`;
  }
  if (kind < 7) return `${open()}#with ${path()}${close()}${program(depth + 1)}${other()}${open()}/with${close()}`;
  if (kind < 8) {
    const h = pick(['equals', 'notEquals', 'and', 'or']);
    return `${open()}#${h} ${argument(0)} ${argument(0)}${close()}${program(depth + 1)}${other()}${open()}/${h}${close()}`;
  }
  const name = pick(names);
  return `${open()}${pick(['#', '^'])}${name}${close()}${program(depth + 1)}${other()}${open()}/${name}${close()}`;
}
function piece(depth) {
  switch (chance(depth > 3 ? 6 : 9)) {
    case 0: case 1: return open() + path() + close();
    case 2: return `{{{${path()}}}}`;
    case 3: return pick(['{{! note }}', '{{!-- {{x}} --}}', '{{~! x ~}}', '\\{{a}} ', '\\\\{{a}}']);
    case 4: return `${open()}insert ${path()} "default=none"${close()}`;
    case 5: return `${open()}length ${path()}${close()}`;
    default: return block(depth);
  }
}
function program(depth) {
  let s = text();
  for (let i = chance(4); i > 0; i--) s += piece(depth) + text();
  return s;
}

for (let i = Number(process.argv[3]); i > 0; i--) {
  const template = program(0);
  const data = {};
  for (const name of names) if (chance(4)) data[name] = value(0);
  let out;
  try {
    out = { text: Handlebars.compile(template)(data) };
  } catch (e) {
    out = { error: String(e.message) };
  }
  console.log(JSON.stringify({ template, data, ...out }));
}
