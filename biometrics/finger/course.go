package finger

import (
	"math"
	"time"
)

// mostUnlike is how many frames may show ridges that are not those before.
const mostUnlike = 2

// restTime is how long nothing touches before a roll is held for done.
const restTime = 300 * time.Millisecond

// course is the way that what touches takes over the scanner. Places are in mm from the left edge
// of the picture.
type course struct {
	frames           int
	began, touches   bool
	first, last, now time.Duration // when it touched first and last, and the last frame
	from, at         float64       // where it began and is
	farthest         float64       // in the direction
	direction        int
	lifted, reversed bool
	apart            bool // two frames one after the other show no ridges in common
	unlike           int  // frames whose ridges are not those before
}

// leastWay is how far what touches moves before its direction is known, in mm.
const leastWay = 1.5

// see takes the next frame.
func (c *course) see(touch mask, touches bool, at time.Duration) {
	c.frames++
	c.now = at
	before := c.touches
	c.touches = touches
	if !touches {
		return
	}
	_, _, middle := touch.span()
	c.at = middle * cell * mm
	switch {
	case !c.began:
		c.began, c.first, c.from, c.farthest = true, at, c.at, c.at
	case !before:
		c.lifted = true
	}
	c.last = at
	if c.direction == 0 && math.Abs(c.at-c.from) > leastWay {
		c.direction, c.farthest = 1, c.at
		if c.at < c.from {
			c.direction = -1
		}
	}
	ahead := float64(c.direction) * (c.at - c.farthest)
	if ahead > 0 {
		c.farthest = c.at
	}
	c.reversed = c.reversed || ahead < -mostBack
}

func (c *course) done() bool { return c.began && !c.touches && c.now-c.last >= restTime }

// next is what to do next where all is well.
func (c *course) next(wide bool) string {
	side := "the other side"
	switch c.direction {
	case 1:
		side = "the right"
	case -1:
		side = "the left"
	}
	switch {
	case !c.began:
		return "Lay one nail edge of the finger on the scanner."
	case !c.touches:
		return ""
	case !wide:
		return "Roll on to " + side + "."
	}
	return "Roll on to the nail edge, then lift the finger."
}
