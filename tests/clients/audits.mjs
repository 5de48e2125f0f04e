// node audits.mjs '{"url": "http://...", "token": "..."}'
// Runs graphql-http's audits of GraphQL over HTTP against a server, and prints one JSON object: for each level (MUST,
// SHOULD, MAY) how many there are and how many are ok, and every audit that is not, with the reason.
import { serverAudits } from 'graphql-http';

const { url, token } = JSON.parse(process.argv[2]);

const fetchFn = (address, init = {}) => {
  const headers = new Headers(init.headers);
  if (token) headers.set('authorization', `Bearer ${token}`);
  return fetch(address, { ...init, headers });
};

const levels = {};
const failures = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const [level] = audit.name.split(' ');
  const count = (levels[level] ??= { all: 0, ok: 0 });
  const result = await audit.fn();
  count.all += 1;
  if (result.status === 'ok') count.ok += 1;
  else failures.push({ level, id: audit.id, name: audit.name, reason: result.reason });
}
console.log(JSON.stringify({ levels, failures }));
