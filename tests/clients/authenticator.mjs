// Somebody's device with passkeys: the emulator of NIKKEI, asked as a browser asks.
//
// Says "ready" when it is; then, a line of JSON each on its standard input:
// {create: options, origin} and {get: options, origin} answer with {credential}, as `PublicKeyCredential.toJSON()` gives it, or with
// {refused: "NotAllowedError"} as a browser would. `isVerified: false` is a device that does not ask who is there, `counts: 0` one
// that does not count on, `algorithm` the only one that it speaks.
import {createInterface} from 'node:readline';
import emulated from 'nid-webauthn-emulator';

const {AuthenticatorEmulator, PasskeysCredentialsMemoryRepository, WebAuthnEmulator} = emulated;
const credentialsRepository = new PasskeysCredentialsMemoryRepository();

function browser({isVerified = true, counts = 1, algorithm}) {
  const interaction = () => ({options: {up: true, uv: isVerified}});
  const device = new AuthenticatorEmulator({
    credentialsRepository,
    signCounterIncrement: counts,
    userMakeCredentialInteraction: interaction,
    userGetAssertionInteraction: interaction,
    ...(algorithm && {algorithmIdentifiers: [algorithm]}),
  });
  return new WebAuthnEmulator(device);
}

function answer(asked) {
  const asking = browser(asked);
  try {
    const credential = asked.create
      ? asking.createJSON(asked.origin, asked.create)
      : asking.getJSON(asked.origin, asked.get);
    return {credential};
  } catch (error) {
    return {refused: error.name, message: error.message};
  }
}

console.log('ready');
for await (const line of createInterface({input: process.stdin})) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
