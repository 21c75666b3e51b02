/* Operations on one thread's own fields: see store.h. */
#include "replay/operations.h"

#include <string.h>

enum avj_status avj_thread_new(struct avj_store *store, const char *title, char out[AVJ_ID_TEXT],
                               struct avj_error *err)
{
    char id[AVJ_ID_TEXT], now[AVJ_TIME_TEXT];
    enum avj_status status = avj_new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    avj_now_text(store, now);
    struct avj_pack f = {0};
    avj_pack_map(&f, 6);
    avj_put_text(&f, "id", id);
    avj_put_text(&f, "title", title ? title : "New Chat");
    avj_put_text(&f, "createdAt", now);
    avj_put_text(&f, "updatedAt", now);
    avj_put_text(&f, "lastMessageAt", now);
    avj_put_bool(&f, "isPinned", false);
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_CREATE, AVJ_THREAD, id, &f);
    status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&f);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

/* `count` fields, packed one after the other in pairs, which are consumed. */
static enum avj_status update(struct avj_store *store, const char *thread, size_t count,
                              struct avj_pack *pairs, struct avj_error *err)
{
    struct avj_subject subject;
    enum avj_status status = avj_subject_load(store, AVJ_THREAD, thread, &subject, err);
    if (status == AVJ_OK)
        return avj_subject_update(store, &subject, count, pairs, err);
    avj_pack_release(pairs);
    avj_subject_release(&subject);
    return status;
}

enum avj_status avj_thread_rename(struct avj_store *store, const char *thread, const char *title,
                                  struct avj_error *err)
{
    struct avj_pack pairs = {0};
    avj_put_text(&pairs, "title", title);
    return update(store, thread, 1, &pairs, err);
}

enum avj_status avj_thread_pin(struct avj_store *store, const char *thread, bool pinned,
                               struct avj_error *err)
{
    struct avj_pack pairs = {0};
    avj_put_bool(&pairs, "isPinned", pinned);
    return update(store, thread, 1, &pairs, err);
}

/* ---- tags ---- */

static bool named(struct avj_value tag, const char *const *tags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (avj_value_text_is(tag, tags[i]))
            return true;
    return false;
}

static bool named_before(const char *const *tags, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(tags[i], tags[index]) == 0)
            return true;
    return false;
}

/* The tags that are to be, one after the other; how many they are. */
static size_t pack_tags(struct avj_value old, enum avj_tagging how, const char *const *tags,
                        size_t count, struct avj_pack *out)
{
    size_t have = old.kind == AVJ_LIST && how != AVJ_TAGS_SET ? old.len : 0, packed = 0;
    for (size_t i = 0; i < have; i++) {
        struct avj_value tag = avj_value_item(old, i);
        if (how == AVJ_TAGS_REMOVE && named(tag, tags, count))
            continue;
        avj_pack_value(out, tag);
        packed++;
    }
    for (size_t i = 0; how != AVJ_TAGS_REMOVE && i < count; i++) {
        bool there = named_before(tags, i);
        for (size_t k = 0; !there && k < have; k++)
            there = avj_value_text_is(avj_value_item(old, k), tags[i]);
        if (there)
            continue;
        avj_pack_cstr(out, tags[i]);
        packed++;
    }
    return packed;
}

enum avj_status avj_thread_tag(struct avj_store *store, const char *thread, enum avj_tagging how,
                               const char *const *tags, size_t count, struct avj_error *err)
{
    struct avj_subject subject;
    struct avj_value old;
    struct avj_pack list = {0}, pairs = {0};
    enum avj_status status = avj_subject_load(store, AVJ_THREAD, thread, &subject, err);
    if (status != AVJ_OK) {
        avj_subject_release(&subject);
        return status;
    }
    (void)avj_value_get(subject.fields, "tags", &old);
    size_t packed = pack_tags(old, how, tags, count, &list);
    avj_pack_cstr(&pairs, "tags");
    avj_pack_list(&pairs, packed);
    avj_pack_raw(&pairs, list.data, list.len);
    pairs.failed |= list.failed;
    avj_pack_release(&list);
    return avj_subject_update(store, &subject, 1, &pairs, err);
}

/* ---- projects and sharing ---- */

enum avj_status avj_thread_move(struct avj_store *store, const char *thread, const char *project,
                                struct avj_error *err)
{
    struct avj_pack pairs = {0};
    if (project) {
        struct avj_subject subject;
        enum avj_status status = avj_subject_load(store, AVJ_PROJECT, project, &subject, err);
        avj_subject_release(&subject);
        if (status != AVJ_OK)
            return status;
    }
    avj_put_text(&pairs, "projectId", project);
    return update(store, thread, 1, &pairs, err);
}

/* The share id and time of a thread that is shared, else new ones. */
static enum avj_status share_of(struct avj_store *store, const struct avj_subject *subject,
                                char id[AVJ_SHARE_TEXT], char when[AVJ_TIME_TEXT + 16],
                                struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    bool shared = avj_value_get_bool(subject->fields, "isShared", false);
    id[0] = when[0] = 0;
    if (shared) {
        avj_text_copy(subject->fields, "shareId", id, AVJ_SHARE_TEXT);
        avj_text_copy(subject->fields, "sharedAt", when, AVJ_TIME_TEXT + 16);
    }
    if (!*id) {
        when[0] = 0;
        status = avj_new_id(store, id, err);
    }
    if (!*when)
        avj_now_text(store, when);
    return status;
}

enum avj_status avj_thread_share(struct avj_store *store, const char *thread,
                                 char out[AVJ_SHARE_TEXT], struct avj_error *err)
{
    struct avj_subject subject;
    struct avj_pack pairs = {0};
    char id[AVJ_SHARE_TEXT], when[AVJ_TIME_TEXT + 16];
    enum avj_status status = avj_subject_load(store, AVJ_THREAD, thread, &subject, err);
    if (status == AVJ_OK)
        status = share_of(store, &subject, id, when, err);
    if (status != AVJ_OK) {
        avj_subject_release(&subject);
        return status;
    }
    avj_put_bool(&pairs, "isShared", true);
    avj_put_text(&pairs, "shareId", id);
    avj_put_text(&pairs, "sharedAt", when);
    status = avj_subject_update(store, &subject, 3, &pairs, err);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

enum avj_status avj_thread_unshare(struct avj_store *store, const char *thread,
                                   struct avj_error *err)
{
    struct avj_pack pairs = {0};
    avj_put_bool(&pairs, "isShared", false);
    avj_put_text(&pairs, "shareId", NULL);
    avj_put_text(&pairs, "sharedAt", NULL);
    return update(store, thread, 3, &pairs, err);
}
