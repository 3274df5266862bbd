import type { HostProfile } from '../domain/host.ts';
import type { StrategyName } from '../domain/manifest.ts';

/** What the choice depends on. An engine that refuses or hangs never gets here: that is an error. */
export interface StrategyFacts {
  readonly wanted: 'auto' | StrategyName;
  readonly engine: 'absent' | 'answers';
  /** The engine has containers or volumes of the project. */
  readonly onEngine: boolean;
  readonly hasComposeFiles: boolean;
  /** What the directory looks like; null: no application. */
  readonly profile: HostProfile | null;
  /** Somebody wrote down what of this host belongs to the project. */
  readonly hasHostSettings: boolean;
  /** How the project's newest snapshot was made; null: there is none. */
  readonly newest: StrategyName | null;
}

export type StrategyChoice =
  | { readonly strategy: 'docker'; /** There is data on this host too: it is listed as not covered. */ readonly listsHost: boolean }
  | { readonly strategy: 'host'; /** Not what somebody with an engine expects: said as a warning. */ readonly said: 'info' | 'loudly' }
  | { readonly strategy: null; readonly why: 'no-engine' | 'never-falls-back' | 'nothing-found' };

/** The table of design §7. */
export function chooseStrategy(facts: StrategyFacts): StrategyChoice {
  const { wanted, engine, onEngine, hasComposeFiles, profile, hasHostSettings, newest } = facts;
  const isOnHost = profile !== null || hasHostSettings;
  const docker: StrategyChoice = { strategy: 'docker', listsHost: profile === 'django' || hasHostSettings };
  if (wanted === 'docker') return engine === 'absent' ? { strategy: null, why: 'no-engine' } : docker;
  if (wanted === 'host') return isOnHost ? { strategy: 'host', said: 'info' } : { strategy: null, why: 'nothing-found' };
  if (engine === 'absent') {
    if (newest === 'docker') return { strategy: null, why: 'never-falls-back' };
    return isOnHost ? { strategy: 'host', said: 'info' } : { strategy: null, why: 'nothing-found' };
  }
  if (onEngine) return docker;
  const looksLikeHost = profile === 'django' || hasHostSettings || (profile === 'generic' && !hasComposeFiles);
  if (looksLikeHost && newest !== 'docker') return { strategy: 'host', said: 'loudly' };
  return hasComposeFiles || newest === 'docker' ? docker : { strategy: null, why: 'nothing-found' };
}
