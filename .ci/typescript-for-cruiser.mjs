// dependency-cruiser reads TypeScript through the compiler's JavaScript API, which version 7 no longer has:
// for its process alone, `typescript` means the last version with that API.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    return nextResolve(specifier.replace(/^typescript(?=\/|$)/, 'typescript-classic'), context);
  },
});
