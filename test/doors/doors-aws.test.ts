import { HOMES, type TestHome } from '../support/homes.ts'
import { checkDoors } from './check-doors.ts'

checkDoors(HOMES[1] as TestHome)
