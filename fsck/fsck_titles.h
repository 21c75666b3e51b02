/* Titles of the threads that findings name, as far as a view has them.  Threading: one thread. */
#ifndef FSCK_TITLES_H
#define FSCK_TITLES_H

#include "fsck/fsck_findings.h"

struct avj_view;

/* Fills finding->titles.  What can not be had, for want of memory too, stays unknown. */
void fsck_titles_add(struct avj_view *view, struct fsck_findings *findings);

#endif
