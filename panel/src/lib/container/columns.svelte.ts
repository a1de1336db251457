// The columns of the list of containers that this browser shows.
import { m } from '$lib/messages';

export const COLUMNS = {
  address: m.common_address(),
  cpu: 'CPU',
  memory: m.common_memory(),
  daemon: m.common_daemon(),
  owner: m.common_owner(),
  created: m.common_created()
};
export type Column = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Column[];

const STORE = 'containers.hidden';

function stored(): Column[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(STORE) ?? '["created"]');
    // Earlier versions kept their titles.
    return NAMES.filter((column) => Array.isArray(kept) && kept.some((name) => String(name).toLowerCase() === column));
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
