/** A query that the gateway does not take: its sentence, the place that it names, and a search for the words instead. */

import { quote } from '../query/chips.ts'
import { plainWords } from '../query/words.ts'
import { Icon } from '../ui/icon.tsx'
import { Fault } from '../ui/parts.tsx'
import { ask, EVERYTHING } from './state.ts'

export function QueryFault({ words, query }: { words: string; query: string }) {
  const [, line, column] = /at line (\d+), col (\d+)/.exec(words) ?? []
  const text = query.split('\n')[Number(line ?? 1) - 1] ?? ''
  const at = Number(column ?? 0) - 1
  const plain = plainWords(query)
  return (
    <div class="empty">
      <Fault words={words} again={() => ask(query)} />
      {at >= 0 && (
        <pre class="wrong">
          {text.slice(0, at)}
          <mark>{text.slice(at, at + 1) || ' '}</mark>
          {text.slice(at + 1)}
        </pre>
      )}
      {plain !== '' && (
        <p>
          <button type="button" class="btn" onClick={() => ask(`${EVERYTHING} |= ${quote(plain)}`)}>
            <Icon name="search" />
            Search for the text <span class="mono">{plain}</span>
          </button>
        </p>
      )}
    </div>
  )
}
