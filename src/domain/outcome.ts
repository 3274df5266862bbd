import type { ComponentId } from './component.ts';
import type { Finding } from './finding.ts';
import type { ComponentDetails, ManifestComponent } from './manifest.ts';

export type Outcome =
  | { readonly status: 'captured' | 'reused'; readonly id: ComponentId; readonly component: ManifestComponent; readonly details: ComponentDetails }
  | { readonly status: 'skipped'; readonly id: ComponentId; readonly reason: string }
  | { readonly status: 'failed'; readonly id: ComponentId; readonly reason: string; readonly hint?: string | undefined; readonly findings: readonly Finding[] }
  | { readonly status: 'cancelled'; readonly id: ComponentId };
