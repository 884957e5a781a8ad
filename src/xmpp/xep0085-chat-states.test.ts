import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { chatState } from './xep0085-chat-states.ts';

const NS = `xmlns='http://jabber.org/protocol/chatstates'`;

t.test('the chat state that a message carries', async (t) => {
  const table: [inner: string, state: string | undefined][] = [
    [`<composing ${NS}/>`, 'composing'],
    [`<body>hi</body><active ${NS}/>`, 'active'],
    [`<gone ${NS}/>`, 'gone'],
    [`<composing xmlns='urn:other'/>`, undefined],
    [`<singing ${NS}/>`, undefined],
    ['<body>composing</body>', undefined],
  ];
  for (const [inner, state] of table) t.equal(chatState(parse(`<message>${inner}</message>`)), state, inner);
});
