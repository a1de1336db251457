// The container whose page is open, for the palette.
import type { ContainerSummary } from '$lib/api';

class Here {
  container = $state.raw<ContainerSummary | null>(null);
}

export const here = new Here();
