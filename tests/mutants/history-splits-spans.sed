# the mutations of a delicate span go, wherever they are
# file: replay/history_plan.c
# tests: unit/history
s/bool here = segment == .*$/bool here = true;/
