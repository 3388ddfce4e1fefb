import t from 'tap'
import { parseBytes, parseGoDuration, parseGoFloat } from '../../../src/logql/pipeline/convert.ts'
import { bytesFault, durationFault, floatFault } from '../../../src/logql/pipeline/convert-fault.ts'

t.test('a failed conversion has Go’s error text', async (t) => {
  const rows: [
    fault: (text: string) => string,
    parse: (text: string) => number | undefined,
    text: string,
    words: string,
  ][] = [
    [floatFault, parseGoFloat, '', 'strconv.ParseFloat: parsing "": invalid syntax'],
    [floatFault, parseGoFloat, 'a"b', 'strconv.ParseFloat: parsing "a\\"b": invalid syntax'],
    [floatFault, parseGoFloat, '1__000', 'strconv.ParseFloat: parsing "1__000": invalid syntax'],
    [floatFault, parseGoFloat, '1e400', 'strconv.ParseFloat: parsing "1e400": value out of range'],
    [floatFault, parseGoFloat, '-0x1p99999', 'strconv.ParseFloat: parsing "-0x1p99999": value out of range'],
    [durationFault, parseGoDuration, '', 'time: invalid duration ""'],
    [durationFault, parseGoDuration, 'a', 'time: invalid duration "a"'],
    [durationFault, parseGoDuration, '-', 'time: invalid duration "-"'],
    [durationFault, parseGoDuration, '.s', 'time: invalid duration ".s"'],
    [durationFault, parseGoDuration, '90', 'time: missing unit in duration "90"'],
    [durationFault, parseGoDuration, '1h2', 'time: missing unit in duration "1h2"'],
    [durationFault, parseGoDuration, '1d', 'time: unknown unit "d" in duration "1d"'],
    [durationFault, parseGoDuration, '1h 2m', 'time: unknown unit "h " in duration "1h 2m"'],
    [durationFault, parseGoDuration, '5é"', 'time: unknown unit "\\xc3\\xa9\\"" in duration "5\\xc3\\xa9\\""'],
    [durationFault, parseGoDuration, '9999999999h', 'time: invalid duration "9999999999h"'],
    [bytesFault, parseBytes, 'oops', 'strconv.ParseFloat: parsing "": invalid syntax'],
    [bytesFault, parseBytes, '1.2.3 KB', 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'],
    [bytesFault, parseBytes, '1,0.0.1', 'strconv.ParseFloat: parsing "10.0.1": invalid syntax'],
    [bytesFault, parseBytes, '5 Apples', 'unhandled size name: apples'],
    [bytesFault, parseBytes, '16EiB', 'too large: 16EiB'],
  ]
  for (const [fault, parse, text, words] of rows) {
    t.equal(parse(text), undefined, `${text} does not convert`)
    t.equal(fault(text), words, text)
  }
})
