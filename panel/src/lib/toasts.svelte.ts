// Short messages at the edge of the screen.
import { words } from './api';
import { m } from '$lib/messages';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo?: () => Promise<unknown>;
}

class Toasts {
  shown = $state.raw<Toast[]>([]);
  private next = 0;
  private timers = new Map<number, ReturnType<typeof setTimeout>>();

  private show(text: string, bad: boolean, undo?: () => Promise<unknown>) {
    const id = this.next++;
    this.shown = [...this.shown.slice(-3), { id, text, bad, undo }];
    this.release(id);
  }

  hide(id: number) {
    this.hold(id);
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }

  /** Keeps it while somebody points at it or has the focus in it. */
  hold(id: number) {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
  }

  release(id: number) {
    this.hold(id);
    const toast = this.shown.find((other) => other.id === id);
    this.timers.set(
      id,
      setTimeout(() => this.hide(id), toast?.bad || toast?.undo ? 10_000 : 4_000)
    );
  }

  /** Says what was done; with `undo`, offers to take it back. */
  done(text: string, undo?: () => Promise<unknown>) {
    this.show(text, false, undo);
  }

  failed(error: unknown, about?: string) {
    this.show(about ? `${about}: ${words(error)}` : words(error), true);
  }

  async undo(toast: Toast) {
    this.hide(toast.id);
    try {
      await toast.undo?.();
      this.done(m.shell_undone());
    } catch (error) {
      this.failed(error);
    }
  }
}

export const toasts = new Toasts();
