// A TCP proxy that can fall silent: it passes nothing then and closes nothing, as a dead router or a frozen program does.
import net from 'node:net';

export class Silence {
  static async before(port, host = '127.0.0.1') {
    const proxy = new Silence();
    proxy.silent = false;
    proxy.pairs = new Set();
    proxy.server = net.createServer((near) => {
      const far = net.connect(port, host);
      const pair = { near, far };
      proxy.pairs.add(pair);
      for (const [from, to] of [
        [near, far],
        [far, near]
      ]) {
        from.on('data', (data) => to.write(data));
        from.on('end', () => proxy.silent || to.end());
        from.on('error', () => to.destroy());
        from.on('close', () => {
          if (proxy.silent) return;
          proxy.pairs.delete(pair);
          to.destroy();
        });
        if (proxy.silent) from.pause();
      }
    });
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  /** From now on nothing passes and nothing is closed; what comes is kept. */
  fall() {
    this.silent = true;
    for (const { near, far } of this.pairs) {
      near.pause();
      far.pause();
    }
  }

  /** What was kept is delivered, and everything passes again. */
  end() {
    this.silent = false;
    for (const { near, far } of this.pairs) {
      near.resume();
      far.resume();
    }
  }

  close() {
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
    this.server.close();
  }
}
