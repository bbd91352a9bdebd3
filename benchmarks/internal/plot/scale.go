package plot

import "math"

// scale maps values to a range of pixels.
type scale struct {
	log      bool
	from, to float64 // pixels
	low      float64 // what is at from; on a logarithmic scale its power of ten
	high     float64
}

// newScale covers all values. A linear one begins at zero: what is half of something looks
// like half of it.
func newScale(logarithmic bool, from, to float64, values []float64) scale {
	s := scale{log: logarithmic, from: from, to: to, low: math.Inf(1), high: math.Inf(-1)}
	for _, v := range values {
		if !s.shows(v) {
			continue
		}
		if s.log {
			s.low, s.high = min(s.low, math.Floor(math.Log10(v)+1e-9)), max(s.high, math.Ceil(math.Log10(v)-1e-9))
		} else {
			s.low, s.high = min(s.low, v, 0), max(s.high, v)
		}
	}
	if s.low > s.high { // there are none
		s.low, s.high = 0, 1
	}
	if s.low == s.high {
		s.high++
	}
	if !s.log {
		step := s.step()
		s.high = math.Ceil(s.high/step-1e-9) * step
	}
	return s
}

// shows tells whether v has a place.
func (s scale) shows(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!s.log || v > 0)
}

// at is the pixel of v.
func (s scale) at(v float64) float64 {
	if s.log {
		v = math.Log10(v)
	}
	return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from)
}

// step is the distance of ticks: a one, two or five and zeros, so that there are four to
// ten of them.
func (s scale) step() float64 {
	ten := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/4)))
	for _, times := range []float64{5, 2} {
		if (s.high-s.low)/(ten*times) >= 4 {
			return ten * times
		}
	}
	return ten
}

// ticks are the values that the axis names.
func (s scale) ticks() (all []float64) {
	if s.log {
		for e := s.low; e <= s.high; e++ {
			all = append(all, math.Pow(10, e))
		}
		return all
	}
	step := s.step()
	for i := 0.0; s.low+i*step <= s.high+step/1000; i++ {
		all = append(all, s.low+i*step)
	}
	return all
}
