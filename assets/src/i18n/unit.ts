// Figures with their units, as the reader's language writes them.
import { useI18n } from 'vue-i18n'

const sizes = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']

export function useUnits() {
  const { locale } = useI18n()

  const unit = (value: number, name: string) =>
    new Intl.NumberFormat(locale.value, {
      style: 'unit',
      unit: name,
      unitDisplay: name === 'byte' ? 'long' : 'short',
      // Three figures are all that anybody reads.
      maximumSignificantDigits: Math.max(3, Math.ceil(Math.log10(Math.max(1, value)))),
    }).format(value)

  function bytes(count: number): string {
    const step = count < 1000 ? 0 : Math.min(sizes.length - 1, Math.floor(Math.log10(count) / 3))
    return unit(count / 1000 ** step, sizes[step]!)
  }

  const duration = (seconds: number) =>
    seconds < 1 ? unit(seconds * 1000, 'millisecond') : unit(seconds, 'second')

  const rate = (value: number) =>
    new Intl.NumberFormat(locale.value, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)

  return { bytes, duration, rate }
}
