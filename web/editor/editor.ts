/** The LogQL editor: CodeMirror with Grafana's grammar, in a shadow root, which its styles need under the page's policy. */

import {
  acceptCompletion,
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, HighlightStyle, LanguageSupport, LRLanguage, syntaxHighlighting } from '@codemirror/language'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap } from '@codemirror/view'
import { parser } from '@grafana/lezer-logql'
import { tags } from '@lezer/highlight'
import { askFields, askValues } from '../api/loki.ts'
import { askJson } from '../api/request.ts'
import { rangeNow } from '../range.ts'

export interface EditorOptions {
  readonly text: string
  readonly onChange: (text: string) => void
  readonly onRun: () => void
}

const COLORS = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier], color: 'var(--t-critical)' },
  { tag: [tags.labelName, tags.propertyName], color: 'var(--t-info)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--ok)' },
  { tag: [tags.function(tags.variableName), tags.operatorKeyword], color: 'var(--accent)' },
  { tag: [tags.number, tags.integer, tags.float], color: 'var(--t-warn)' },
  { tag: tags.comment, color: 'var(--faint)' },
])

const LOOKS = EditorView.theme({
  '&': { fontSize: '12.5px', backgroundColor: 'transparent', color: 'var(--text)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)', padding: '5px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-tooltip': { background: 'var(--panel)', border: '1px solid var(--rule)', borderRadius: '6px' },
  '.cm-tooltip-autocomplete ul li': { fontFamily: 'var(--mono)', padding: '4px 8px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { background: 'var(--sel)', color: 'var(--text)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': { background: 'var(--sel)' },
})

const FUNCTIONS = [
  'count_over_time',
  'rate',
  'bytes_over_time',
  'bytes_rate',
  'sum_over_time',
  'avg_over_time',
  'max_over_time',
  'min_over_time',
  'quantile_over_time',
  'absent_over_time',
  'sum by',
  'topk',
  'count',
  'avg',
  'max',
  'min',
]
const STAGES = [
  'json',
  'logfmt',
  'pattern',
  'regexp',
  'unpack',
  'line_format',
  'label_format',
  'unwrap',
  'drop',
  'keep',
  'decolorize',
]

function newLine({ state, dispatch }: EditorView): boolean {
  dispatch(state.replaceSelection('\n'))
  return true
}

export function openEditor(
  host: HTMLElement,
  { text, onChange, onRun }: EditorOptions,
): { set: (text: string) => void; end: () => void } {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open', delegatesFocus: true })
  const run = (): boolean => {
    onRun()
    return true
  }
  const language = LRLanguage.define({ parser })
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(),
        bracketMatching(),
        new LanguageSupport(language),
        syntaxHighlighting(COLORS),
        LOOKS,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': 'LogQL', spellcheck: 'false' }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange(update.state.doc.toString())
        }),
        autocompletion({ override: [complete], icons: false, activateOnTypingDelay: 120 }),
        // Completion takes Enter first, as its list is open.
        keymap.of([
          { key: 'Tab', run: acceptCompletion },
          { key: 'Ctrl-Space', run: startCompletion },
          ...completionKeymap,
          { key: 'Mod-Enter', run },
          { key: 'Enter', run },
          { key: 'Shift-Enter', run: newLine },
          ...historyKeymap,
          ...defaultKeymap,
        ]),
      ],
    }),
  })
  return {
    set: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } }),
    end: () => view.destroy(),
  }
}

/** Labels and values inside braces; stages and fields behind a pipe; functions elsewhere. */
export async function complete(context: CompletionContext): Promise<CompletionResult | null> {
  const before = context.state.doc.sliceString(0, context.pos)
  const open = before.lastIndexOf('{')
  const isInside = open > before.lastIndexOf('}')
  if (isInside) {
    const value = /([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(before)
    if (value !== null) {
      const values = await askValues(value[1] as string, rangeNow(), { isKept: true })
      return {
        from: context.pos - (value[2] as string).length,
        options: values.map((label) => ({ label, type: 'text' })),
        validFor: /^[^"]*$/,
      }
    }
    const word = context.matchBefore(/[A-Za-z_]\w*$/)
    if (word === null && !context.explicit && !/[{,]\s*$/.test(before)) return null
    const { data = [] } = await askJson<{ data?: readonly string[] }>('loki/api/v1/labels', {}, { isKept: true })
    return {
      from: word?.from ?? context.pos,
      options: data.map((label) => ({ label, apply: `${label}="` }) as Completion),
      validFor: /^\w*$/,
    }
  }
  const stage = /\|\s*([A-Za-z_]\w*)?$/.exec(before)
  if (stage !== null) {
    const selector = /\{[^}]*\}/.exec(before)?.[0]
    const fields = selector === undefined ? [] : (await askFields(selector, rangeNow(), { isKept: true })).fields
    const options = [
      ...STAGES.map((label) => ({ label, type: 'keyword' })),
      ...fields.map(({ label }) => ({ label, type: 'property' })),
    ]
    return { from: context.pos - (stage[1] ?? '').length, options, validFor: /^\w*$/ }
  }
  const word = context.matchBefore(/[A-Za-z_]\w*$/)
  if (word === null) return null
  return { from: word.from, options: FUNCTIONS.map((label) => ({ label, type: 'function' })), validFor: /^\w*$/ }
}
