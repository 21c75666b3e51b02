/* File `dictionary`: see maintain.h; FORMAT.md has its bytes. */
#include "journal/maintain.h"
#include "journal/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LEN     64u
#define HEADER_HASH_AT 56u

static const uint8_t magic[8] = {'A', 'V', 'J', 'D', 'I', 'C', 'T', 1};

static void encode(const struct avj_journal *j, const struct avj_dictionary *dictionary,
                   uint64_t trained_at, size_t stored_len, uint8_t out[HEADER_LEN])
{
    memset(out, 0, HEADER_LEN);
    memcpy(out, magic, 8);
    memcpy(out + 8, j->journal_id, 16);
    avj_put_le64(out + 24, trained_at);
    avj_put_le64(out + 32, dictionary->len ? dictionary->hash : 0);
    avj_put_le32(out + 40, dictionary->len);
    avj_put_le32(out + 44, (uint32_t)stored_len);
    avj_put_le64(out + HEADER_HASH_AT, avj_hash64(out, HEADER_HASH_AT));
}

static bool decode(const struct avj_journal *j, const uint8_t in[HEADER_LEN],
                   struct avj_dictionary_file *file, uint32_t *stored_len)
{
    if (memcmp(in, magic, 8) != 0 || memcmp(in + 8, j->journal_id, 16) != 0 ||
        avj_get_le64(in + HEADER_HASH_AT) != avj_hash64(in, HEADER_HASH_AT))
        return false;
    file->trained_at = avj_get_le64(in + 24);
    file->dictionary.hash = avj_get_le64(in + 32);
    file->dictionary.len = avj_get_le32(in + 40);
    *stored_len = avj_get_le32(in + 44);
    return *stored_len <= AVJ_DICTIONARY_STORED_MAX;
}

static bool read_dictionary(const struct avj_io *io, int in, struct avj_dictionary_file *file,
                            uint32_t stored_len)
{
    uint8_t *stored = malloc(stored_len);
    size_t got = 0, len = 0;
    bool good = stored && avj_io_read_full(io, in, stored, stored_len, HEADER_LEN, &got) == 0 &&
                got == stored_len &&
                avj_dictionary_unpack(stored, stored_len, file->dictionary.hash, &file->bytes, &len,
                                      NULL) == AVJ_OK &&
                len == file->dictionary.len;
    file->dictionary.data = file->bytes;
    file->dictionary.stored = file->stored = stored;
    file->dictionary.stored_len = stored_len;
    return good;
}

enum avj_status avj_dictionary_load(struct avj_journal *j, struct avj_dictionary_file *file,
                                    struct avj_error *err)
{
    memset(file, 0, sizeof(*file));
    char name[AVJ_PATH_MAX];
    uint8_t header[HEADER_LEN];
    uint32_t stored_len;
    size_t got;
    snprintf(name, sizeof(name), "%s/" AVJ_DICTIONARY_FILE, j->path);
    int in = j->io->open(j->io->ctx, name, AVJ_OPEN_READ);
    if (in < 0)
        return avj_fail_errno(err, -in, "%s", name);
    int r = avj_io_read_full(j->io, in, header, sizeof(header), 0, &got);
    bool good = r == 0 && got == sizeof(header) && decode(j, header, file, &stored_len) &&
                (!stored_len || read_dictionary(j->io, in, file, stored_len));
    (void)j->io->close(j->io->ctx, in);
    if (good)
        return AVJ_OK;
    avj_dictionary_release(file);
    return r < 0 ? avj_fail_errno(err, -r, "%s", name)
                 : avj_fail(err, AVJ_ENOTFOUND, "%s: not as it was written", name);
}

void avj_dictionary_release(struct avj_dictionary_file *file)
{
    free(file->bytes);
    free(file->stored);
    memset(file, 0, sizeof(*file));
}

static enum avj_status write_file(struct avj_journal *j, const char *temp, const uint8_t *bytes,
                                  size_t len, struct avj_error *err)
{
    const struct avj_io *io = j->io;
    size_t done;
    (void)io->unlink(io->ctx, temp);
    int out = io->open(io->ctx, temp, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (out < 0)
        return avj_fail_errno(err, -out, "create %s", temp);
    int r = avj_io_write_full(io, out, bytes, len, 0, &done);
    if (r == 0)
        r = avj_io_sync(io, out);
    int closed = io->close(io->ctx, out);
    if (r == 0)
        r = closed;
    return r < 0 ? avj_fail_errno(err, -r, "write %s", temp) : AVJ_OK;
}

static enum avj_status replace(struct avj_journal *j, const uint8_t *bytes, size_t len,
                               struct avj_error *err)
{
    char temp[AVJ_PATH_MAX], name[AVJ_PATH_MAX];
    snprintf(temp, sizeof(temp), "%s/" AVJ_DICTIONARY_FILE ".tmp", j->path);
    snprintf(name, sizeof(name), "%s/" AVJ_DICTIONARY_FILE, j->path);
    enum avj_status status = write_file(j, temp, bytes, len, err);
    int r;
    if (status == AVJ_OK && (r = j->io->rename(j->io->ctx, temp, name)) < 0)
        status = avj_fail_errno(err, -r, "rename %s", temp);
    if (status != AVJ_OK)
        (void)j->io->unlink(j->io->ctx, temp);
    return status;
}

enum avj_status avj_dictionary_save(struct avj_journal *j, const struct avj_dictionary *dictionary,
                                    uint64_t trained_at, struct avj_error *err)
{
    uint8_t *packed = NULL;
    const uint8_t *stored = dictionary->stored;
    size_t stored_len = dictionary->stored_len;
    enum avj_status status = AVJ_OK;
    if (dictionary->len && !stored)
        status = avj_dictionary_pack(dictionary->data, dictionary->len, &packed, &stored_len, err);
    if (status != AVJ_OK)
        return status;
    if (packed)
        stored = packed;
    uint8_t *bytes = malloc(HEADER_LEN + stored_len);
    if (bytes) {
        encode(j, dictionary, trained_at, stored_len, bytes);
        if (stored_len)
            memcpy(bytes + HEADER_LEN, stored, stored_len);
        status = replace(j, bytes, HEADER_LEN + stored_len, err);
    } else {
        status = avj_fail(err, AVJ_ENOMEM, "dictionary: out of memory");
    }
    free(bytes);
    free(packed);
    return status;
}
