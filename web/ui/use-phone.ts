/** Whether the page is as narrow as a phone. */

import { useEffect, useState } from 'preact/hooks'

const narrow = matchMedia('(max-width: 719px)')

export function usePhone(): boolean {
  const [isPhone, setPhone] = useState(narrow.matches)
  useEffect(() => {
    const onChange = (): void => setPhone(narrow.matches)
    narrow.addEventListener('change', onChange)
    return () => narrow.removeEventListener('change', onChange)
  }, [])
  return isPhone
}
