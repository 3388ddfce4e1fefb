/** The search of the Logs screen: chips, what is typed behind them with suggestions, and LogQL in an editor. */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { askFieldValues, askValues } from '../api/loki.ts'
import { isAll, isLogql, type Matcher, type Question, type Stage, writeQuestion } from '../query/chips.ts'
import { WORDS_OF } from '../query/levels.ts'
import { wordsOfOp, wordsOfStage } from '../query/words.ts'
import { rangeNow } from '../range.ts'
import { history, saved, toggleSaved } from '../settings.ts'
import { Icon } from '../ui/icon.tsx'
import { Menu } from '../ui/parts.tsx'
import { ask, askQuestion, askTyped, EVERYTHING, logs, runs, sources } from './state.ts'

const SUGGESTIONS_MAX = 12
const TYPING_MS = 120

export function Ask() {
  const { query, question } = logs.value
  const [isEditing, setEditing] = useState(question === undefined)
  useEffect(() => {
    if (question === undefined) setEditing(true)
  }, [question === undefined])
  return (
    <search class="ask">
      {isEditing ? (
        <Editing query={query} onChips={question === undefined ? undefined : () => setEditing(false)} />
      ) : (
        <Chips question={question as Question} onEdit={() => setEditing(true)} />
      )}
    </search>
  )
}

function Chips({ question, onEdit }: { question: Question; onEdit: () => void }) {
  const [text, setText] = useState('')
  const input = useRef<HTMLInputElement>(null)
  const [suggestions, setSuggestions] = useState<readonly string[]>([])
  const [at, setAt] = useState(-1)
  const matchers = question.matchers.filter((each) => !isAll(each) || question.matchers.length > 1)
  useEffect(() => {
    const timer = setTimeout(() => suggest(text, question).then(setSuggestions, () => setSuggestions([])), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  const take = (words: string): void => {
    setAt(-1)
    if (words.endsWith('=')) {
      setText(words)
      return
    }
    setText('')
    setSuggestions([])
    askTyped(words)
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && suggestions.length > 0) {
      event.preventDefault()
      const places = suggestions.length + 1
      setAt((before) => ((before + 1 + step + places) % places) - 1)
    } else if (event.key === 'Escape') {
      setSuggestions([])
      setAt(-1)
      if (text === '') input.current?.blur()
    } else if (event.key === 'Backspace' && text === '') {
      const stage = question.stages.at(-1)
      if (stage !== undefined) askQuestion({ ...question, stages: question.stages.slice(0, -1) })
      else if (matchers.length > 0) askQuestion({ ...question, matchers: question.matchers.slice(0, -1) })
    } else if (event.key === 'Tab' && suggestions.length > 0 && text !== '' && !event.shiftKey) {
      event.preventDefault()
      take(suggestions[Math.max(at, 0)] ?? text)
    }
  }
  const submit = (event: Event): void => {
    event.preventDefault()
    const chosen = at >= 0 ? suggestions[at] : undefined
    if (chosen !== undefined) take(chosen)
    else if (text.trim() !== '') take(text.trim())
    else ask(writeQuestion(question))
  }
  return (
    <form class="q" onSubmit={submit}>
      <Icon name="search" />
      {matchers.map((matcher, i) => (
        <MatcherChip
          key={i}
          matcher={matcher}
          onRemove={() => askQuestion({ ...question, matchers: question.matchers.filter((each) => each !== matcher) })}
        />
      ))}
      {question.stages.map((stage, i) => (
        <StageChip
          key={i}
          stage={stage}
          onRemove={() => askQuestion({ ...question, stages: question.stages.filter((each) => each !== stage) })}
        />
      ))}
      <span class="typed">
        <input
          ref={input}
          id="search"
          role="combobox"
          aria-label="Search these lines, or add a filter"
          aria-expanded={suggestions.length > 0}
          aria-controls="suggestions"
          aria-autocomplete="list"
          aria-activedescendant={at >= 0 ? `suggestion-${at}` : undefined}
          autocomplete="off"
          spellcheck={false}
          placeholder="Search these lines, or name=value  ( / )"
          value={text}
          onInput={(event) => {
            const next = event.currentTarget.value
            setText(next)
            setSuggestions((before) => before.filter((each) => fits(each, next)))
            setAt(-1)
          }}
          onKeyDown={onKeyDown}
          onBlur={() => setTimeout(() => setSuggestions([]), 200)}
        />
        {suggestions.length > 0 && (
          <div class="pop" id="suggestions" role="listbox" aria-label="Suggestions">
            {suggestions.map((each, i) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the input hears the keys
              <div
                key={each}
                id={`suggestion-${i}`}
                role="option"
                aria-selected={i === at}
                onPointerDown={(event) => event.preventDefault()}
                onClick={() => {
                  take(each)
                  input.current?.focus()
                }}
              >
                {each}
              </div>
            ))}
          </div>
        )}
      </span>
      <History />
      <button type="button" class="btn small bare" onClick={onEdit} title={writeQuestion(question)}>
        LogQL
      </button>
      <button type="submit" class="btn small main" id="run">
        Run
      </button>
    </form>
  )
}

/** Whether a suggestion still is one for what is typed now. */
function fits(suggestion: string, text: string): boolean {
  const at = text.indexOf('=') + 1
  if (at === 0) return suggestion.endsWith('=') && suggestion.includes(text)
  return suggestion.startsWith(text.slice(0, at)) && suggestion.slice(at).includes(text.slice(at))
}

/** Names of labels and fields while a name is typed, values behind an equals sign. */
async function suggest(text: string, question: Question): Promise<readonly string[]> {
  if (text === '' || isLogql(text)) return []
  const [, name, typed = ''] = /^([A-Za-z_][\w.]*)=(.*)$/.exec(text) ?? []
  if (name === undefined) {
    return namesLike(text)
      .slice(0, SUGGESTIONS_MAX)
      .map((each) => `${each}=`)
  }
  const wanted = typed.toLowerCase()
  return (await valuesOf(name, question))
    .filter((value) => value.toLowerCase().includes(wanted))
    .slice(0, SUGGESTIONS_MAX)
    .map((value) => `${name}=${value}`)
}

/** Those that begin with the text, then those that have it inside. */
function namesLike(text: string): readonly string[] {
  const names = [...sources.value.keys(), 'level']
  const wanted = text.toLowerCase()
  const found = [...new Set(names)].filter((name) => name.toLowerCase().includes(wanted))
  const isFirst = (name: string): number => (name.toLowerCase().startsWith(wanted) ? 0 : 1)
  return found.sort((a, b) => isFirst(a) - isFirst(b))
}

async function valuesOf(name: string, question: Question): Promise<readonly string[]> {
  const source = sources.value.get(name)
  if (name === 'level') return Object.values(WORDS_OF).flat()
  if (source === undefined) return []
  if (source.kind === 'label') return askValues(name, rangeNow(), { isKept: true })
  return askFieldValues(name, writeQuestion(question), rangeNow(), { isKept: true })
}

function Removable({
  words,
  isNot,
  onRemove,
  children,
}: {
  words: string
  isNot: boolean
  onRemove: () => void
  children: ComponentChildren
}) {
  return (
    <span class={`chip ${isNot ? 'not' : ''}`}>
      {children}
      <button type="button" aria-label={`Remove ${words}`} onClick={onRemove}>
        <Icon name="x" />
      </button>
    </span>
  )
}

function MatcherChip({ matcher: { name, op, value }, onRemove }: { matcher: Matcher; onRemove: () => void }) {
  const words = wordsOfOp(op)
  return (
    <Removable words={`${name} ${words} ${value}`} isNot={op.startsWith('!')} onRemove={onRemove}>
      {name}
      <em>{words}</em>
      {value}
    </Removable>
  )
}

function StageChip({ stage, onRemove }: { stage: Stage; onRemove: () => void }) {
  const { name, words, value } = wordsOfStage(stage)
  const isNot = stage.kind !== 'text' && stage.op.startsWith('!')
  return (
    <Removable words={[name, words, value].filter((each) => each !== '').join(' ')} isNot={isNot} onRemove={onRemove}>
      {name}
      {words !== '' && <em>{words}</em>}
      {value}
    </Removable>
  )
}

function History() {
  const { query } = logs.value
  const isSaved = saved.value.includes(query)
  const others = history.value.filter((each) => each !== query && !saved.value.includes(each)).slice(0, 20)
  return (
    <Menu label="" name="Saved queries and history" icon="star" class="small bare icon">
      {(close) => (
        <>
          <button type="button" onClick={() => toggleSaved(query)}>
            {isSaved ? 'Forget this query' : 'Save this query'}
          </button>
          {[['Saved', saved.value] as const, ['Before', others] as const].map(
            ([words, queries]) =>
              queries.length > 0 && (
                <div key={words}>
                  <h3>{words}</h3>
                  {queries.map((each) => (
                    <button
                      key={each}
                      type="button"
                      class="mono"
                      onClick={() => {
                        ask(each)
                        close()
                      }}
                    >
                      {each}
                    </button>
                  ))}
                </div>
              ),
          )}
        </>
      )}
    </Menu>
  )
}

/** LogQL as text. A plain field at once, which becomes an editor with colours and completion when that is loaded. */
function Editing({ query, onChips }: { query: string; onChips: (() => void) | undefined }) {
  const text = useRef(query)
  const host = useRef<HTMLDivElement>(null)
  const [isLoaded, setLoaded] = useState(false)
  const editor = useRef<{ set: (text: string) => void; end: () => void } | undefined>(undefined)
  const run = (): void => {
    const words = text.current.trim()
    if (words === '') ask(EVERYTHING)
    else if (/[{(\d]/.test(words) || logs.value.question === undefined) ask(words)
    else askTyped(words)
  }
  useEffect(() => {
    let isOver = false
    import('../editor/editor.ts')
      .then(({ openEditor }) => {
        if (isOver || host.current === null) return
        setLoaded(true)
        editor.current = openEditor(host.current, {
          text: text.current,
          onChange: (next) => {
            text.current = next
          },
          onRun: run,
        })
      })
      // The plain field stays.
      .catch(() => undefined)
    return () => {
      isOver = true
      editor.current?.end()
    }
  }, [])
  useEffect(() => {
    if (text.current === query) return
    text.current = query
    editor.current?.set(query)
  }, [query, runs.value])
  return (
    <form
      class="q"
      onSubmit={(event) => {
        event.preventDefault()
        run()
      }}
    >
      <Icon name="search" />
      <div class="editor" ref={host}>
        {!isLoaded && (
          <textarea
            id="search"
            aria-label="LogQL"
            rows={1}
            spellcheck={false}
            defaultValue={query}
            onInput={(event) => {
              text.current = event.currentTarget.value
            }}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
              event.preventDefault()
              run()
            }}
          />
        )}
      </div>
      <History />
      {onChips && (
        <button type="button" class="btn small bare" onClick={onChips}>
          Chips
        </button>
      )}
      <button type="submit" class="btn small main" id="run">
        Run
      </button>
    </form>
  )
}
