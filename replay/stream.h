/*
 * Streams: answers that grow, token by token.  A stream is begun as a message, its text is appended
 * in deltas, and its end makes the whole text the message's content.  What has come so far is seen
 * by every process that has the journal open, in the message's content, and survives the process
 * that writes it: the stream is then *interrupted*, and can be gone on with, or ended as it is.
 *
 * Cost: an answer of n bytes in k deltas takes O(n + k) bytes of the log and as much time, whatever
 * k is.  The text is in memory once in each store that has folded it in.
 *
 * Durability: a delta is journaled when avj_stream_append returns: it survives a kill of the
 * process; a power cut may take those of the last second (sync_ms).  The beginning and the end are
 * durable on return.
 *
 * While a message is being streamed its content can not be changed in another way (AVJ_EREFUSED);
 * it can be deleted.  An edit of an interrupted one ends its stream.
 *
 * Threading: that of the store.  Lifetime: close every stream before its store.
 */
#ifndef AVJ_STREAM_H
#define AVJ_STREAM_H

#include "replay/store.h"

AVJ_BEGIN_C

/* Most text of a streamed answer, in bytes: it has to fit the record that ends it. */
#define AVJ_STREAM_MAX ((size_t)14 * 1024 * 1024)

struct avj_stream; /* one that this store writes */

struct avj_stream_options { /* all zero: the defaults */
    const char *id;         /* of the message; NULL: a random uuid */
    const char *role;       /* NULL: "assistant" */
    struct avj_fields more; /* more fields of it (model, ...), as avj_message_send_with */
    unsigned sync_ms;       /* a delta that comes so long after the last sync is durable on return;
                               0: 1000 */
    bool no_sync;           /* none is: that is left to the end, and to others */
};

/*
 * Makes an empty message behind what the thread has, as avj_message_send does, and begins its
 * stream.  Durable on return.  options may be NULL; copied.  *out is owned by the caller:
 * avj_stream_close.  Errors: AVJ_ENOTFOUND (no such thread), AVJ_EEXIST (the id is taken), and
 * those of avj_store_mutate.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_begin(struct avj_store *store, const char *thread,
                                                     const struct avj_stream_options *options,
                                                     struct avj_stream **out,
                                                     struct avj_error *err);

/* The message that grows.  Valid until avj_stream_close. */
AVJ_API const char *avj_stream_message(const struct avj_stream *stream);

/*
 * Appends text, UTF-8.  A character that is cut at its end is held back (3 bytes at the most) until
 * the next text, or replaced by U+FFFD at the end of the stream.  Relaxed, but see sync_ms.
 * Errors: AVJ_EINVAL (no UTF-8; the message says where; nothing was appended), AVJ_ETOOBIG (more
 * than AVJ_STREAM_MAX in all; nothing was appended: end the stream), AVJ_ENOTFOUND (the message was
 * deleted meanwhile), AVJ_EREFUSED (somebody else has ended the stream, or gone on with it), and
 * those of avj_journal_append.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_append(struct avj_stream *stream, const char *text,
                                                      size_t len, struct avj_error *err);

/* The text becomes the message's content.  Durable on return.  Errors as avj_stream_append; with
 * those of the journal the stream is still open, and can be ended once more. */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_end(struct avj_stream *stream,
                                                   struct avj_error *err);

/* Stops before the end.  What has come is kept and shown as interrupted; with `discard` the message
 * is deleted.  Durable on return.  Errors as avj_stream_end. */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_abort(struct avj_stream *stream, bool discard,
                                                     struct avj_error *err);

/* Releases the stream; NULL is allowed.  One that was neither ended nor aborted is interrupted, as
 * far as that can be written. */
AVJ_API void avj_stream_close(struct avj_stream *stream);

/*
 * Goes on with a stream that was interrupted, in this process or another, whether it said so or
 * died.  options may be NULL; of them only sync_ms and no_sync count.  Durable on return.  Errors:
 * AVJ_ENOTFOUND (no such message), AVJ_EREFUSED (it is being written, or it has no stream that is
 * not over), and those of avj_journal_append.  Of two processes that do so at once the later one
 * has it.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_resume(struct avj_store *store, const char *message,
                                                      const struct avj_stream_options *options,
                                                      struct avj_stream **out,
                                                      struct avj_error *err);

/* Ends an interrupted stream as it is.  Durable on return.  Errors as avj_stream_resume. */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_finish(struct avj_store *store, const char *message,
                                                      struct avj_error *err);

/* Makes the text so far a change of the message that waits to be sent, and goes on growing: for
 * sync, which decides how often that pays; each costs the whole text.  Relaxed.  Any store may do
 * so, the one that writes the stream or another.  AVJ_ENOTFOUND: it does not grow. */
AVJ_API AVJ_CHECKED enum avj_status
avj_stream_checkpoint(struct avj_store *store, const char *message, struct avj_error *err);

/* ---- streams that are not over, whoever writes them ---- */

struct avj_stream_info {
    const char *message, *thread; /* thread NULL: it names none */
    const char *session;          /* of who writes it, or did; NULL: unknown */
    size_t bytes;                 /* of text so far */
    bool interrupted;             /* the log says so, or its process is gone */
    bool own;                     /* written by this store */
};

/* Those of messages that are visible, in the order of first mention.  Borrowed until the next call
 * or until the store is changed. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_streams(struct avj_store *store,
                                                      const struct avj_stream_info **streams,
                                                      size_t *count, struct avj_error *err);

/* The text so far of a message that grows, from byte `offset` on (beyond the end: nothing).  Copies
 * nothing: borrowed until the store is changed.  AVJ_ENOTFOUND: it does not grow. */
AVJ_API AVJ_CHECKED enum avj_status avj_stream_text(const struct avj_store *store,
                                                    const char *message, size_t offset,
                                                    struct avj_slice *text);

AVJ_END_C

#endif
