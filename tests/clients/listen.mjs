// node listen.mjs '{"url": "http://...", "token": "...", "chat": "cht_...", "listeners": [{"name", "transport", "cut"}]}'
// Several listeners hear the same chat to the end of its answer, each through an npm client: `graphql-ws` or
// `graphql-sse`. One with a `cut` drops its connection after so many events, without a goodbye, and resumes behind the
// last event it saw, again and again.
//
// Prints `listening` once every listener has heard something, and at the end one JSON object: by name the events, the
// connections, and how many connections were dropped while the answer was being written.
import { createClient as overServerSentEvents } from 'graphql-sse';
import { createClient as overWebSocket } from 'graphql-ws';
import WebSocket from 'ws';

const { url, token, chat, listeners } = JSON.parse(process.argv[2]);

const query = `subscription ($chat: ID!, $after: Int) {
  chatEvents(chatId: $chat, after: $after) {
    __typename
    ... on MessagePosted { seq }
    ... on AnswerStarted { seq }
    ... on AnswerDelta { seq text }
    ... on AnswerCompleted { seq answer { text } }
    ... on AnswerFailed { seq }
  }
}`;

// Each opens a connection and says how to hear it and how to drop it.
const transports = {
  ws(variables) {
    const client = overWebSocket({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    return { events: client.iterate({ query, variables }), drop: () => client.terminate() };
  },
  sse(variables) {
    const client = overServerSentEvents({
      url: `${url}/graphql/stream`,
      headers: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    return { events: client.iterate({ query, variables }), drop: () => client.dispose() };
  },
};

let isOver = false; // Somebody heard the end of the answer.
let waiting = listeners.length;

async function listen({ transport, cut }) {
  const heard = [];
  let connections = 0;
  let droppedMeanwhile = 0;
  while (true) {
    const after = heard.at(-1)?.seq;
    const { events, drop } = transports[transport]({ chat, after });
    connections += 1;
    for (let onThisOne = 0; onThisOne !== cut; onThisOne += 1) {
      const { value, done } = await events.next();
      if (done) throw new Error(`${transport} ended the stream behind ${heard.length} events`);
      if (value.errors) throw new Error(`${transport}: ${JSON.stringify(value.errors)}`);
      const event = value.data.chatEvents;
      heard.push(event);
      if (heard.length === 1) {
        waiting -= 1;
        if (waiting === 0) console.log('listening');
      }
      if (event.__typename === 'AnswerCompleted' || event.__typename === 'AnswerFailed') {
        isOver = true;
        drop();
        return { heard, connections, droppedMeanwhile };
      }
    }
    if (!isOver) droppedMeanwhile += 1;
    drop();
  }
}

const reports = await Promise.all(listeners.map(listen));
console.log(JSON.stringify(Object.fromEntries(listeners.map(({ name }, index) => [name, reports[index]]))));
process.exit(0);
