// A real OpenID provider on loopback, for the tests of logins.
//
// Role: oidc-provider with one key of its own, made at start, and with its own pages for login and consent; any password
// is good. Started again, it has another key: that is how a rotation looks.
// Resources: 'urn:portreeve' gives tokens for this service, 'urn:other' for another one, 'urn:brief' for five seconds.
// Usage: node provider.mjs DIRECTORY-WITH-node_modules PORT; says one line of JSON on standard output when it listens.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// Its advice for production says nothing about a test, and nobody reads on behind the first line.
console.info = () => {};
console.warn = () => {};

const [directory, port] = process.argv.slice(2);
const at = join(directory, 'node_modules/oidc-provider/lib/index.js');
const { default: Provider } = await import(pathToFileURL(at).href);

const people = {
  ria: { name: 'Ria', groups: ['everybody', 'requesters'], institution: 'north' },
  ann: { name: 'Ann', groups: ['everybody', 'triage'] },
  max: { name: 'Max', groups: ['everybody', 'requesters'], institution: 'nowhere' },
  otto: { name: 'Otto', groups: ['everybody'] },
};

const issuer = `http://127.0.0.1:${port}`;
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const kid = randomUUID();
const key = { ...pair.privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };

const resource = (audience, accessTokenTTL) => ({
  scope: 'openid',
  audience,
  accessTokenFormat: 'jwt',
  accessTokenTTL,
  jwt: { sign: { alg: 'RS256' } },
});
const resources = {
  'urn:portreeve': resource('portreeve', 600),
  'urn:other': resource('another-service', 600),
  'urn:brief': resource('portreeve', 5),
};

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  clients: [{
    client_id: 'portal',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  cookies: { keys: [randomUUID()] },
  claims: { openid: ['sub', 'name', 'groups', 'institution'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:portreeve',
      getResourceServerInfo: (_context, name) => resources[name],
      useGrantedResource: () => true,
    },
  },
  extraTokenClaims: (_context, token) => people[token.accountId],
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ ...people[id], sub: id }),
  }),
});
provider.on('server_error', (_context, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => {
  const pem = pair.publicKey.export({ format: 'pem', type: 'spki' });
  console.log(JSON.stringify({ issuer, kid, pem }));
});
