// The certified provider `oidc-provider` on loopback, and a browser that signs in there: one cookie jar a name.
//
// Argument: {port, kid, alg, redirectUri, logoutUri}. Says "listening" when it is; then, a line of JSON each on its standard
// input: {visit, jar, amr, acr} goes to an authorization URL and answers with the address that the browser is sent back to;
// {logOut: jar} signs out there and answers when the provider has told everybody.
import http from 'node:http';
import {generateKeyPairSync} from 'node:crypto';
import {createInterface} from 'node:readline';
import Provider from 'oidc-provider';

// What it has to say of its defaults is not for whoever reads the answers.
console.info = console.error;

const asked = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${asked.port}`;

const {privateKey} = asked.alg === 'ES256'
  ? generateKeyPairSync('ec', {namedCurve: 'P-256'})
  : generateKeyPairSync('rsa', {modulusLength: 2048});
const key = {...privateKey.export({format: 'jwk'}), kid: asked.kid, alg: asked.alg, use: 'sig'};

const provider = new Provider(issuer, {
  jwks: {keys: [key]},
  clients: [{
    client_id: 'consigne',
    client_secret: 'a secret of thirty-two characters',
    redirect_uris: [asked.redirectUri],
    response_types: ['code'],
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: asked.alg,
    backchannel_logout_uri: asked.logoutUri,
    backchannel_logout_session_required: true,
  }],
  cookies: {keys: ['one of a test']},
  // As providers do that go by the letter: addresses at the userinfo endpoint, how it was proved where that is asked for.
  claims: {openid: ['sub'], email: ['email', 'email_verified'], acr: null, amr: null, auth_time: null},
  acrValues: ['gold'],
  // Its own guard keeps it from this machine, where the product is in this test.
  fetch: (url, {dispatcher: _, ...options}) => globalThis.fetch(url, options),
  pkce: {required: () => true},
  features: {
    devInteractions: {enabled: false},
    claimsParameter: {enabled: true},
    backchannelLogout: {enabled: true},
    rpInitiatedLogout: {enabled: true},
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({sub: id, email: `${id}@acme.example`, email_verified: id !== 'unverified'}),
  }),
});

// How the person in the browser proves who they are, this time.
let proof = {};
let told;
provider.on('backchannel.success', () => told?.('told'));
provider.on('backchannel.error', (_, error) => told?.(`not told: ${error.message}`));
provider.on('server_error', (_, error) => console.error(error));

const answer = provider.callback();
const server = http.createServer(async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  const {prompt, params, session} = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const login = {accountId: params.login_hint?.split('@')[0] ?? session?.accountId ?? 'ana', ...proof};
    return provider.interactionFinished(request, response, {login});
  }
  const grant = new provider.Grant({accountId: session.accountId, clientId: params.client_id});
  grant.addOIDCScope('openid email');
  grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
  const consent = {grantId: await grant.save()};
  return provider.interactionFinished(request, response, {consent}, {mergeWithLastSubmission: true});
});

const jars = new Map();

async function go(jar, url, options = {}) {
  const cookies = jars.get(jar) ?? jars.set(jar, new Map()).get(jar);
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const response = await fetch(url, {...options, redirect: 'manual', headers: {...options.headers, cookie}});
  for (const line of response.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    if (/expires=Thu, 01 Jan 1970/i.test(line) || value === '') cookies.delete(name);
    else cookies.set(name, value);
  }
  return response;
}

async function visit({visit: first, jar, amr, acr}) {
  proof = {amr, acr};
  let url = first;
  for (let hops = 0; hops < 12; hops += 1) {
    const response = await go(jar, url);
    const location = response.headers.get('location');
    if (!location) throw new Error(`${response.status} instead of a way back: ${await response.text()}`);
    url = new URL(location, url).href;
    if (url.startsWith(asked.redirectUri)) return {back: url};
  }
  throw new Error('the browser is sent around in circles');
}

async function logOut(jar) {
  const heard = new Promise((resolve) => { told = resolve; });
  const page = await (await go(jar, `${issuer}/session/end`)).text();
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1];
  const form = {method: 'POST', body: new URLSearchParams({xsrf, logout: 'yes'})};
  await go(jar, `${issuer}/session/end/confirm`, form);
  return {loggedOut: await heard};
}

server.listen(asked.port, '127.0.0.1', () => console.log('listening'));
for await (const line of createInterface({input: process.stdin})) {
  const wish = JSON.parse(line);
  const done = wish.visit ? visit(wish) : logOut(wish.logOut);
  console.log(JSON.stringify(await done.catch((error) => ({error: String(error)}))));
}
process.exit(0);
