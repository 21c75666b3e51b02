/* Operations on one message, and summaries: see store.h. */
#include "replay/operations.h"

#include <string.h>

/* When a new message of the thread was made: now, but behind what the thread has, whatever the
 * clock says: two messages of one millisecond keep their order. */
static enum avj_status message_time(struct avj_store *store, const char *thread, int64_t *ms,
                                    struct avj_error *err)
{
    const struct avj_doc *newest;
    size_t count;
    *ms = avj_hlc_ms(avj_store_stamp(store));
    enum avj_status status = avj_store_messages(store, thread, NULL, 1, &newest, &count, err);
    if (status == AVJ_OK && count && *ms <= newest[0].created_ms)
        *ms = newest[0].created_ms + 1;
    return status;
}

/* updatedAt, already in `touched`, and lastMessageAt. */
static void add_raise(struct avj_edits *edits, const char *thread, const char *touched,
                      const char *when)
{
    struct avj_pack f = {0};
    avj_pack_map(&f, 2);
    avj_put_text(&f, "updatedAt", touched);
    avj_put_text(&f, "lastMessageAt", when);
    avj_edits_add(edits, AVJ_UPDATE, AVJ_THREAD, thread, &f);
    avj_pack_release(&f);
}

/* What sending looks up first. */
struct place {
    char touched[AVJ_TIME_TEXT]; /* the thread's updatedAt */
    int64_t ms;                  /* the message's createdAt */
    bool raises;                 /* lastMessageAt only rises */
};

static enum avj_status find_place(struct avj_store *store, const char *thread, struct place *place,
                                  struct avj_error *err)
{
    struct avj_subject subject;
    enum avj_status status = avj_subject_load(store, AVJ_THREAD, thread, &subject, err);
    int64_t last_ms = subject.doc.last_message_ms;
    if (status == AVJ_OK)
        avj_subject_touch(store, &subject, place->touched);
    avj_subject_release(&subject);
    if (status == AVJ_OK)
        status = message_time(store, thread, &place->ms, err);
    place->raises = last_ms < place->ms;
    return status;
}

/* `more` with the message's own fields put in. */
static enum avj_status pack_message(struct avj_pack *own, struct avj_fields more,
                                    struct avj_pack *out, struct avj_error *err)
{
    struct avj_fields fields = {own->data, own->len};
    enum avj_status status =
        own->failed ? AVJ_ENOMEM : avj_fields_merge(AVJ_MESSAGE, more, fields, true, out);
    avj_pack_release(own);
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "send: %s", avj_status_text(status));
}

enum avj_status avj_edits_new_message(struct avj_store *store, const struct avj_new_message *m,
                                      struct avj_edits *edits, struct avj_error *err)
{
    char when[AVJ_TIME_TEXT];
    struct place place;
    struct avj_pack own = {0}, fields = {0};
    enum avj_status status = find_place(store, m->thread, &place, err);
    if (status != AVJ_OK)
        return status;
    avj_time_format(place.ms, when);
    avj_pack_map(&own, 5);
    avj_put_text(&own, "id", m->id);
    avj_put_text(&own, "threadId", m->thread);
    avj_put_text(&own, "role", m->role);
    avj_pack_cstr(&own, "content");
    avj_pack_text(&own, m->text.data, m->text.len);
    avj_put_text(&own, "createdAt", when);
    status = pack_message(&own, m->more, &fields, err);
    avj_edits_add(edits, AVJ_CREATE, AVJ_MESSAGE, m->id, &fields);
    if (place.raises)
        add_raise(edits, m->thread, place.touched, when);
    avj_pack_release(&fields);
    return status;
}

enum avj_status avj_message_send_with(struct avj_store *store, const char *thread, const char *role,
                                      const char *text, size_t len, struct avj_fields more,
                                      char out[AVJ_ID_TEXT], struct avj_error *err)
{
    char id[AVJ_ID_TEXT];
    struct avj_edits edits = {.count = 0};
    enum avj_status status = avj_new_id(store, id, err);
    const struct avj_new_message message = {thread, role, {text, len}, more, id};
    if (status == AVJ_OK)
        status = avj_edits_new_message(store, &message, &edits, err);
    if (status == AVJ_OK)
        status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

enum avj_status avj_message_send(struct avj_store *store, const char *thread, const char *role,
                                 const char *text, size_t len, char out[AVJ_ID_TEXT],
                                 struct avj_error *err)
{
    return avj_message_send_with(store, thread, role, text, len, (struct avj_fields){NULL, 0}, out,
                                 err);
}

enum avj_status avj_message_edit(struct avj_store *store, const char *message, const char *text,
                                 size_t len, struct avj_error *err)
{
    struct avj_pack f = {0};
    avj_pack_map(&f, 1);
    avj_pack_cstr(&f, "content");
    avj_pack_text(&f, text, len);
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_UPDATE, AVJ_MESSAGE, message, &f);
    enum avj_status status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&f);
    return status;
}

enum avj_status avj_message_delete(struct avj_store *store, const char *message,
                                   struct avj_error *err)
{
    struct avj_mutation m = {.op = AVJ_DELETE, .entity = AVJ_MESSAGE, .id = message};
    return avj_store_mutate(store, &m, 1, AVJ_DURABLE, NULL, err);
}

enum avj_status avj_summary_add(struct avj_store *store, const char *thread, const char *message,
                                const char *text, size_t len, char out[AVJ_ID_TEXT],
                                struct avj_error *err)
{
    char id[AVJ_ID_TEXT], now[AVJ_TIME_TEXT];
    int64_t ms;
    enum avj_status status = avj_message_in(store, thread, message, &ms, err);
    if (status == AVJ_OK)
        status = avj_new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    avj_now_text(store, now);
    struct avj_pack f = {0};
    avj_pack_map(&f, 5);
    avj_put_text(&f, "id", id);
    avj_put_text(&f, "threadId", thread);
    avj_put_text(&f, "messageId", message);
    avj_pack_cstr(&f, "content");
    avj_pack_text(&f, text, len);
    avj_put_text(&f, "createdAt", now);
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_CREATE, AVJ_SUMMARY, id, &f);
    status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&f);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}
