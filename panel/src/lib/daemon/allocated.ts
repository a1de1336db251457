import type { CreatedAllocations } from '$lib/api';
import { m } from '$lib/messages';

/** What became of allocations that were to be added, in a sentence for each part of it. */
export const added = ({ created, existing, checked }: CreatedAllocations): string =>
  [
    m.daemons_allocations_added({ count: created }),
    existing > 0 && m.daemons_allocations_existing({ count: existing }),
    !checked && m.daemons_allocations_unchecked()
  ]
    .filter(Boolean)
    .join(' ');
