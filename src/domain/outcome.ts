import type { ComponentId } from './component.ts';
import type { Finding } from './finding.ts';
import type { ComponentDetails, ManifestComponent } from './manifest.ts';

export interface StoredOutcome {
  readonly status: 'captured' | 'reused';
  readonly id: ComponentId;
  readonly component: ManifestComponent;
  readonly details: ComponentDetails;
}

export type Outcome =
  | StoredOutcome
  | { readonly status: 'skipped'; readonly id: ComponentId; readonly reason: string }
  | {
      readonly status: 'failed';
      readonly id: ComponentId;
      readonly reason: string;
      readonly hint?: string | undefined;
      readonly findings: readonly Finding[];
    }
  | { readonly status: 'cancelled'; readonly id: ComponentId };

export function isStored(outcome: Outcome): outcome is StoredOutcome {
  return outcome.status === 'captured' || outcome.status === 'reused';
}
