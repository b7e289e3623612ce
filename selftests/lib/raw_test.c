// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Files with a description beside them: what is found, and each rule of a description broken on its own. */
#include "checkpoint_case.h"

#define DESCRIPTION(tensors) "{\"format\":\"pinpool-raw\",\"version\":1,\"file\":\"w.bin\",\"tensors\":[" tensors "]}"
#define T(name, dtype, shape, offset)                                                                                  \
	"{\"name\":\"" name "\",\"dtype\":\"" dtype "\",\"shape\":" shape ",\"offset\":" #offset "}"
#define T_IN(name, file)                                                                                               \
	"{\"name\":\"" name "\",\"dtype\":\"U8\",\"shape\":[4],\"offset\":0,\"file\":\"" file "\"}"

static void describe(const char *folder, const char *json)
{
	write_file(in_folder(folder, "a.raw.json"), json, strlen(json));
}

TEST_F(checkpoint, tensors_lie_where_the_description_says)
{
	const struct format_tensor *tensor;

	write_pattern(in_folder(self->folder, "w.bin"), 1, 200);
	describe(self->folder, DESCRIPTION(T("last", "F32", "[2,3]", 176) "," T("block", "Q8_0", "[2,32]", 0) "," T(
				       "scalar", "F64", "[]", 100) "," T("none", "BF16", "[0,5]", 200)));
	EXPECT_OPEN("a.raw.json", 0, "");
	ASSERT_EQ(1, self->got.count);
	EXPECT_STREQ("raw", self->got.files[0].format);
	EXPECT_TRUE(strstr(self->got.files[0].source.path, "/w.bin"));
	ASSERT_EQ(4, self->got.files[0].count);
	tensor = self->got.files[0].tensors;
	EXPECT_STREQ("block", tensor[0].name);
	EXPECT_EQ(PINPOOL_DTYPE_Q8_0, tensor[0].dtype);
	EXPECT_EQ(0, tensor[0].begin);
	EXPECT_EQ(68, tensor[0].end);
	EXPECT_STREQ("scalar", tensor[1].name);
	EXPECT_EQ(0, tensor[1].ndim);
	EXPECT_EQ(100, tensor[1].begin);
	EXPECT_EQ(108, tensor[1].end);
	EXPECT_STREQ("last", tensor[2].name);
	EXPECT_EQ(2, tensor[2].shape[0]);
	EXPECT_EQ(3, tensor[2].shape[1]);
	EXPECT_EQ(200, tensor[2].end);
	EXPECT_STREQ("none", tensor[3].name);
	EXPECT_EQ(200, tensor[3].begin);
	EXPECT_EQ(200, tensor[3].end);
}

TEST_F(checkpoint, several_files_are_opened_in_order_of_name)
{
	write_pattern(in_folder(self->folder, "w.bin"), 1, 8);
	write_pattern(in_folder(self->folder, "v.bin"), 2, 4);
	write_pattern(in_folder(self->folder, "x.bin"), 3, 4);
	describe(self->folder, DESCRIPTION(T_IN("c", "x.bin") "," T("b", "U8", "[4]", 4) "," T_IN("a", "v.bin")));
	EXPECT_OPEN("a.raw.json", 0, "");
	ASSERT_EQ(3, self->got.count);
	EXPECT_STREQ("a", self->got.files[0].tensors[0].name);
	EXPECT_STREQ("b", self->got.files[1].tensors[0].name);
	EXPECT_STREQ("c", self->got.files[2].tensors[0].name);
	checkpoint_close(&self->got);
	/* A file for all is loaded even if no tensor is in it. */
	describe(self->folder, DESCRIPTION(T_IN("c", "x.bin")));
	EXPECT_OPEN("a.raw.json", 0, "");
	ASSERT_EQ(2, self->got.count);
	EXPECT_EQ(0, self->got.files[0].count);
	checkpoint_close(&self->got);
	describe(self->folder, "{\"format\":\"pinpool-raw\",\"version\":1,\"tensors\":[" T_IN("c", "x.bin") "]}");
	EXPECT_OPEN("a.raw.json", 0, "");
	ASSERT_EQ(1, self->got.count);
}

TEST_F(checkpoint, each_broken_rule_of_a_description_is_refused)
{
	static const struct {
		const char *json;
		int err;
		const char *text;
	} bad[] = {
		{"", -EBADMSG, "begin with '{'"},
		{"{\"format\":\"pinpool-raw\",", -EBADMSG, "expected"},
		{"{}", -EBADMSG, "not pinpool-raw"},
		{"{\"format\":\"gguf\",\"version\":1,\"file\":\"w.bin\",\"tensors\":[]}", -EBADMSG, "not pinpool-raw"},
		{"{\"format\":1,\"version\":1,\"file\":\"w.bin\",\"tensors\":[]}", -EBADMSG, "not pinpool-raw"},
		{"{\"format\":\"pinpool-raw\",\"file\":\"w.bin\",\"tensors\":[]}", -EBADMSG, "version is not 1"},
		{"{\"format\":\"pinpool-raw\",\"version\":2,\"file\":\"w.bin\",\"tensors\":[]}", -EBADMSG,
		 "version is not 1"},
		{"{\"format\":\"pinpool-raw\",\"version\":1.0,\"file\":\"w.bin\",\"tensors\":[]}", -EBADMSG,
		 "version is not 1"},
		{"{\"format\":\"pinpool-raw\",\"version\":1,\"file\":1,\"tensors\":[]}", -EBADMSG, "not a string"},
		{"{\"format\":\"pinpool-raw\",\"version\":1,\"file\":\"w.bin\"}", -EBADMSG, "no array of tensors"},
		{"{\"format\":\"pinpool-raw\",\"version\":1,\"file\":\"w.bin\",\"tensors\":{}}", -EBADMSG,
		 "no array of tensors"},
		{"{\"format\":\"pinpool-raw\",\"version\":1,\"files\":\"w.bin\",\"tensors\":[]}", -EBADMSG,
		 "unknown key files"},
		{"{\"format\":\"pinpool-raw\",\"version\":1,\"tensors\":[]}", -EBADMSG, "names no file"},
		{"{\"format\":\"pinpool-raw\",\"version\":1,\"tensors\":[" T("a", "U8", "[1]", 0) "]}", -EBADMSG,
		 "lacks a string file"},
		{DESCRIPTION(T_IN("a", "../w.bin")), -EBADMSG, "not a file name"},
		{DESCRIPTION(T_IN("a", "/etc/passwd")), -EBADMSG, "not a file name"},
		{DESCRIPTION(T_IN("a", "..")), -EBADMSG, "not a file name"},
		{DESCRIPTION(T_IN("a", "")), -EBADMSG, "not a file name"},
		{DESCRIPTION(T_IN("a", "absent")), -ENOENT, "absent"},
		/* a tensor */
		{DESCRIPTION("1"), -EBADMSG, "not an object"},
		{DESCRIPTION("{}"), -EBADMSG, "not an object with a string name"},
		{DESCRIPTION("{\"name\":\"a\",\"shape\":[1],\"offset\":0}"), -EBADMSG, "lacks"},
		{DESCRIPTION("{\"name\":\"a\",\"dtype\":\"U8\",\"offset\":0}"), -EBADMSG, "lacks"},
		{DESCRIPTION("{\"name\":\"a\",\"dtype\":\"U8\",\"shape\":[1]}"), -EBADMSG, "offset is not a count"},
		{DESCRIPTION("{\"name\":\"a\",\"dtype\":\"U8\",\"shape\":[1],\"offset\":0,\"more\":1}"), -EBADMSG,
		 "unknown key more"},
		{DESCRIPTION("{\"name\":\"a\",\"dtype\":\"U8\",\"shape\":[1],\"offset\":0,\"file\":1}"), -EBADMSG,
		 "lacks a string file"},
		{DESCRIPTION(T("a", "u8", "[1]", 0)), -EBADMSG, "unknown dtype u8"},
		{DESCRIPTION(T("a", "U8", "[-1]", 0)), -EBADMSG, "extent 0"},
		{DESCRIPTION(T("a", "U8", "[1,\"1\"]", 0)), -EBADMSG, "extent 1"},
		{DESCRIPTION(T("a", "U8", "[1]", -1)), -EBADMSG, "offset is not a count"},
		{DESCRIPTION(T("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0)), -EOPNOTSUPP, "17 dimensions"},
		{DESCRIPTION(T("a", "Q8_0", "[16,2]", 0)), -EBADMSG, "whole blocks of 32"},
		{DESCRIPTION(T("a", "Q8_0", "[]", 0)), -EBADMSG, "whole blocks"},
		{DESCRIPTION(T("a", "F4", "[3]", 0)), -EBADMSG, "whole bytes"},
		{DESCRIPTION(T("a", "F32", "[4294967296,4294967296]", 0)), -EBADMSG, "overflows"},
		{DESCRIPTION(T("a", "Q8_0", "[9223372036854775776]", 0)), -EBADMSG, "overflows"},
		{DESCRIPTION(T("a", "U8", "[9]", 0)), -EBADMSG, "end beyond its file"},
		{DESCRIPTION(T("a", "U8", "[1]", 8)), -EBADMSG, "end beyond its file"},
		{DESCRIPTION(T("a", "U8", "[0]", 9)), -EBADMSG, "end beyond its file"},
		{DESCRIPTION(T("a", "U8", "[1152921504606846976]", 2)), -EBADMSG, "end beyond its file"},
		{DESCRIPTION(T("a", "U8", "[4]", 0) "," T("b", "U8", "[4]", 3)), -EBADMSG, "inside tensor a"},
		{DESCRIPTION(T("a", "U8", "[4]", 2) "," T("b", "U8", "[0]", 4)), -EBADMSG, "inside tensor a"},
		{DESCRIPTION(T("a", "U8", "[4]", 0) "," T("a", "U8", "[4]", 4)), -EBADMSG, "there twice"},
		{DESCRIPTION(T("a", "U8", "[4]", 0) "," T_IN("a", "v.bin")), -EBADMSG, "there twice"},
	};

	write_pattern(in_folder(self->folder, "w.bin"), 1, 8);
	write_pattern(in_folder(self->folder, "v.bin"), 2, 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		describe(self->folder, bad[i].json);
		EXPECT_OPEN("a.raw.json", bad[i].err, bad[i].text);
	}
	ASSERT_EQ(0, truncate(in_folder(self->folder, "a.raw.json"), 100000001));
	EXPECT_OPEN("a.raw.json", -EBADMSG, "larger than 100 MB");
	EXPECT_OPEN("absent.raw.json", -ENOENT, "absent.raw.json");
}

/* A model of llama2.c, if PINPOOL_TEST_LLAMA2C names one: seven counts of 32 bits, then the embeddings [vocabulary, dim]. */
TEST_F(checkpoint, a_file_of_llama2_c_can_be_described)
{
	const char *path = getenv("PINPOOL_TEST_LLAMA2C");
	char json[512];
	int32_t config[7];
	FILE *file;

	if (!path)
		SKIP(return, "PINPOOL_TEST_LLAMA2C names no such file");
	file = fopen(path, "r");
	ASSERT_NE(NULL, file);
	ASSERT_EQ(7, fread(config, sizeof(config[0]), 7, file));
	fclose(file);
	ASSERT_EQ(0, symlink(path, in_folder(self->folder, "model.bin")));
	snprintf(json, sizeof(json),
		 "{\"format\":\"pinpool-raw\",\"version\":1,\"file\":\"model.bin\",\"tensors\":[{\"name\":\"tok_embeddings\","
		 "\"dtype\":\"F32\",\"shape\":[%d,%d],\"offset\":28}]}",
		 abs(config[5]), config[0]);
	describe(self->folder, json);
	EXPECT_OPEN("a.raw.json", 0, "");
	ASSERT_EQ(1, self->got.count);
	EXPECT_EQ(28 + 4ULL * (unsigned int)abs(config[5]) * (unsigned int)config[0], self->got.files[0].tensors[0].end);
}

TEST_HARNESS_MAIN
