// Short messages at the edge of the screen.
import { words } from './api';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

class Toasts {
  shown = $state<Toast[]>([]);
  private next = 0;

  private show(text: string, bad: boolean) {
    const id = this.next++;
    this.shown.push({ id, text, bad });
    setTimeout(() => this.hide(id), bad ? 8_000 : 4_000);
  }

  hide(id: number) {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }

  done(text: string) {
    this.show(text, false);
  }

  failed(error: unknown) {
    this.show(words(error), true);
  }
}

export const toasts = new Toasts();
