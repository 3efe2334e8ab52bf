package proxy

import "testing"

// What two listeners give is one answer, also if somebody has come or gone between the looks.
func TestAnswersThatDifferInTheMomentOnlyAreOne(t *testing.T) {
	var e Explanation
	for i, clients := range []int{1, 2, 3} {
		e.add(Answer{
			Listeners: []Entrance{{Address: itemKey("listener", i)}},
			Pool:      &PoolKey{Database: map[int]string{2: "other"}[i]},
			Now:       &Present{Pool: &PoolNow{Clients: clients}},
		})
	}
	if len(e.Answers) != 2 || len(e.Answers[0].Listeners) != 2 || e.Answers[0].Now.Pool.Clients != 1 || e.Answers[1].Now.Pool.Clients != 3 {
		t.Errorf("%+v", e.Answers)
	}
}
