package main

func (d *den) terminals() []attack { return nil }
func (d *den) blanks() []attack    { return nil }
