package lab

// NoConnection stands for an attempt to connect that no server has answered.
const NoConnection = "no connection"

// Count counts the errors of the account by what they were: those that came in a transaction,
// and all others. It returns how many connections have ended by them.
func (a Account) Count(inBlock, outside map[string]int) (cut int) {
	for _, t := range a.Troubles {
		if t.Ended {
			cut++
		}
		switch {
		case t.What == "": // a new connection
		case t.InBlock:
			inBlock[t.What]++
		case t.What == Cut && !t.Ended:
			outside[NoConnection]++
		default:
			outside[t.What]++
		}
	}
	return cut
}
