// Every way to make a token that looks like a provider's and is not, from a good one and the provider's public key.
//
// Usage: node forge.mjs TOKEN PEM; says a JSON object of names and tokens on standard output.
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';

const [token, pem] = process.argv.slice(2);
const [head, body, signature] = token.split('.');
const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const header = read(head);
const claims = read(body);

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const der = createPublicKey(pem).export({ format: 'der', type: 'spki' });
const modulus = createPublicKey(pem).export({ format: 'jwk' }).n;

const signed = (change, make, said = claims) => {
  const input = `${part({ ...header, ...change })}.${part(said)}`;
  return `${input}.${make(Buffer.from(input)).toString('base64url')}`;
};
const rs256 = (input) => sign('sha256', input, rsa.privateKey);
const es256 = (input) => sign('sha256', input, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
const hs256 = (secret) => (input) => createHmac('sha256', secret).update(input).digest();
const nothing = () => Buffer.alloc(0);
const own = rsa.publicKey.export({ format: 'jwk' });

console.log(JSON.stringify({
  'another RSA key under the same kid': signed({}, rs256),
  'another RSA key without a kid': signed({ kid: undefined }, rs256),
  'another RSA key under its own kid': signed({ kid: 'mine' }, rs256),
  'an EC key under the same kid': signed({ alg: 'ES256' }, es256),
  'an Ed25519 key under the same kid': signed({ alg: 'EdDSA' }, (input) => sign(null, input, ed.privateKey)),
  'alg none': signed({ alg: 'none' }, nothing),
  'alg None': signed({ alg: 'None' }, nothing),
  'alg none with the old signature': `${part({ ...header, alg: 'none' })}.${body}.${signature}`,
  'no signature': `${head}.${body}.`,
  'HS256 with the PEM as the secret': signed({ alg: 'HS256' }, hs256(pem)),
  'HS256 with the trimmed PEM': signed({ alg: 'HS256' }, hs256(pem.trim())),
  'HS256 with the DER': signed({ alg: 'HS256' }, hs256(der)),
  'HS256 with the modulus': signed({ alg: 'HS256' }, hs256(modulus)),
  'HS256 with an empty secret': signed({ alg: 'HS256' }, hs256('')),
  'a key brought along (jwk)': signed({ jwk: own }, rs256),
  'a key brought along without a kid (jwk)': signed({ jwk: own, kid: undefined }, rs256),
  'an address of keys brought along (jku)': signed({ jku: 'http://127.0.0.1:9/keys', kid: 'mine' }, rs256),
  'an address of a certificate brought along (x5u)': signed({ x5u: 'http://127.0.0.1:9/chain' }, rs256),
  'a critical extension': signed({ crit: ['b64'], b64: false }, rs256),
  'other claims under the old signature': `${head}.${part({ ...claims, groups: ['triage'] })}.${signature}`,
  'another issuer': signed({}, rs256, { ...claims, iss: 'https://elsewhere.example' }),
  'a changed signature': `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
}));
