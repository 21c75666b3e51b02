/*
 * Everything a client of libavchat needs: make a journal of chats, change it, read it, search it,
 * be told of changes.  replay/store.h is where to begin.  Syncing with a server is net/engine.h, in
 * libavchat-net.
 *
 * Clients include this file; the headers below it may move between minor versions.
 */
#ifndef AVCHAT_H
#define AVCHAT_H

#include "journal/journal.h"
#include "replay/clock.h"
#include "replay/entry.h"
#include "replay/events.h"
#include "replay/fields.h"
#include "replay/history.h"
#include "replay/schema.h"
#include "replay/search.h"
#include "replay/sessions.h"
#include "replay/store.h"
#include "replay/stream.h"
#include "replay/sync.h"
#include "replay/value.h"

AVJ_BEGIN_C

/* The version of the library that the program runs with: "0.1.0".  Static storage. */
AVJ_API const char *avj_version(void);

AVJ_END_C

#endif
