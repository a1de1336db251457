// The columns of the list of containers that this browser shows.
import { m } from '$lib/messages';

export const COLUMNS = [m.common_address(), 'CPU', m.common_memory(), m.common_daemon(), m.common_owner(), m.common_created()] as const;
export type Column = (typeof COLUMNS)[number];

const STORE = 'containers.hidden';

function stored(): Column[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(STORE) ?? '["Created"]');
    return COLUMNS.filter((column) => Array.isArray(kept) && kept.includes(column));
  } catch {
    return [];
  }
}

class Columns {
  private hidden = $state<Column[]>(stored());

  shows = (column: Column): boolean => !this.hidden.includes(column);

  toggle(column: Column) {
    this.hidden = this.shows(column) ? [...this.hidden, column] : this.hidden.filter((other) => other !== column);
    localStorage.setItem(STORE, JSON.stringify(this.hidden));
  }
}

export const columns = new Columns();
