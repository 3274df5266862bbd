import type { ComponentId } from '../domain/component.ts';
import type { ComponentDetails, ManifestArtifact } from '../domain/manifest.ts';

/** One component as a drill sees it. */
export interface DrilledComponent {
  readonly id: ComponentId;
  readonly details: ComponentDetails;
  readonly data: ManifestArtifact;
  readonly catalogue: ManifestArtifact | null;
}
