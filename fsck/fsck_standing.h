/*
 * What the replayed log shows at its end and should be looked at: answers that nobody finished,
 * rows of the server that two documents are bound to.
 *
 * Threading: that of the view.  Memory: 16 bytes a row whose $id is not made of its local id.
 */
#ifndef FSCK_STANDING_H
#define FSCK_STANDING_H

#include "fsck/fsck_findings.h"

#include "replay/view.h"

/* Adds findings; findings->failed where there is no memory. */
void fsck_standing(const struct avj_view *view, struct fsck_findings *findings);

#endif
