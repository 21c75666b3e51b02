/* Operations on one message: see store.h. */
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

enum avj_status avj_message_send(struct avj_store *store, const char *thread, const char *role,
                                 const char *text, size_t len, char out[AVJ_ID_TEXT],
                                 struct avj_error *err)
{
    char id[AVJ_ID_TEXT], when[AVJ_TIME_TEXT], touched[AVJ_TIME_TEXT];
    struct avj_subject subject;
    int64_t ms = 0, last_ms = 0;
    enum avj_status status = avj_subject_load(store, AVJ_THREAD, thread, &subject, err);
    if (status == AVJ_OK) {
        last_ms = subject.doc.last_message_ms;
        avj_subject_touch(store, &subject, touched);
        status = avj_new_id(store, id, err);
    }
    avj_subject_release(&subject);
    if (status == AVJ_OK)
        status = message_time(store, thread, &ms, err);
    if (status != AVJ_OK)
        return status;
    avj_time_format(ms, when);
    struct avj_pack f = {0};
    avj_pack_map(&f, 5);
    avj_put_text(&f, "id", id);
    avj_put_text(&f, "threadId", thread);
    avj_put_text(&f, "role", role);
    avj_pack_cstr(&f, "content");
    avj_pack_text(&f, text, len);
    avj_put_text(&f, "createdAt", when);
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_CREATE, AVJ_MESSAGE, id, &f);
    if (last_ms < ms) /* lastMessageAt only rises */
        add_raise(&edits, thread, touched, when);
    status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&f);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
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
