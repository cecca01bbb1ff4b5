// A vMix that is none: as much of its documented TCP API as tally needs.

import { createServer } from 'node:net';

/** Listens until closed; `cut` is what its operator does. @param {string} tally one digit for each input */
export async function fakeVmix(tally) {
  const subscribed = new Set();
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    let waiting = '';
    socket.setEncoding('utf8').on('data', (piece) => {
      const lines = (waiting + piece).split('\r\n');
      waiting = lines.pop() ?? '';
      for (const line of lines) {
        if (line === 'SUBSCRIBE TALLY') {
          subscribed.add(socket);
          socket.write('SUBSCRIBE OK TALLY\r\n');
        } else if (line === 'TALLY') socket.write(`TALLY OK ${tally}\r\n`);
        else socket.write(`${line.split(' ')[0]} ER not here\r\n`);
      }
    });
    socket.on('error', () => {}).on('close', () => {
      subscribed.delete(socket);
      sockets.delete(socket);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${server.address().port}`,
    /** @param {string} digits */
    cut(digits) {
      tally = digits;
      for (const socket of subscribed) socket.write(`TALLY OK ${digits}\r\n`);
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
