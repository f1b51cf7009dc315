// A person's browser at the login: authorization code with PKCE (RFC 7636), from the first redirect to the tokens.
//
// Usage: node login.mjs ISSUER RESOURCE LOGIN; says the token response as JSON on standard output.
import { createHash, randomBytes } from 'node:crypto';

const [issuer, resource, login] = process.argv.slice(2);
const redirect = 'http://127.0.0.1/callback';
const jar = new Map();

async function visit(url, form) {
  const response = await fetch(url, {
    redirect: 'manual',
    method: form ? 'POST' : 'GET',
    body: form ? new URLSearchParams(form) : undefined,
    headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
  });
  for (const cookie of response.headers.getSetCookie()) {
    const [name, ...value] = cookie.split(';')[0].split('=');
    jar.set(name, value.join('='));
  }
  return response;
}

const verifier = randomBytes(32).toString('base64url');
const question = new URLSearchParams({
  client_id: 'portal',
  redirect_uri: redirect,
  response_type: 'code',
  scope: 'openid',
  resource,
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
});
const found = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
let url = `${found.authorization_endpoint}?${question}`;
let form;
// Login and consent are a page each, with redirects around them.
for (let step = 0; !url.startsWith(redirect); step += 1) {
  if (step > 12) throw new Error(`the login does not end: ${url}`);
  const response = await visit(url, form);
  form = undefined;
  const next = response.headers.get('location');
  if (next) {
    url = new URL(next, url).href;
    continue;
  }
  const page = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${page}`);
  const prompt = /name="prompt" value="(\w+)"/.exec(page)[1];
  url = /action="([^"]+)"/.exec(page)[1];
  form = prompt === 'login' ? { prompt, login, password: 'any' } : { prompt };
}
const answer = await fetch(found.token_endpoint, {
  method: 'POST',
  body: new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: 'portal',
    redirect_uri: redirect,
    code: new URL(url).searchParams.get('code'),
    code_verifier: verifier,
    resource,
  }),
});
const tokens = await answer.json();
if (!answer.ok) throw new Error(JSON.stringify(tokens));
console.log(JSON.stringify(tokens));
