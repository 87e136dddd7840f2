#include "fuse/clients.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::fuse {
namespace {

// Nobody is called: nobody listens there.
class ClientsTest : public ::testing::Test {
 protected:
  Clients clients_{"hdfs://127.0.0.1:1", client::ClientOptions()};
};

TEST_F(ClientsTest, EachUserHasOneOfEachKind) {
  ASSERT_OK_AND_ASSIGN(const ClientPtr ann, clients_.For("ann"));
  ASSERT_OK_AND_ASSIGN(const AdminPtr admin, clients_.AdminFor("ann"));
  EXPECT_EQ(ann->user(), "ann");
  EXPECT_EQ(admin->user(), "ann");
  EXPECT_THAT(clients_.For("ann"), IsOkAndHolds(ann));
  EXPECT_THAT(clients_.AdminFor("ann"), IsOkAndHolds(admin));
  EXPECT_THAT(clients_.For("bob"), IsOkAndHolds(::testing::Ne(ann)));
  EXPECT_THAT(clients_.AdminFor("bob"), IsOkAndHolds(::testing::Ne(admin)));
}

TEST_F(ClientsTest, WhatIsHeldIsKeptAndTheRestGoes) {
  ASSERT_OK_AND_ASSIGN(const ClientPtr held, clients_.For("held"));
  std::weak_ptr<client::FileSystem> idle;
  std::weak_ptr<client::ClusterAdmin> idle_admin;
  {
    ASSERT_OK_AND_ASSIGN(const ClientPtr fs, clients_.For("idle"));
    ASSERT_OK_AND_ASSIGN(const AdminPtr admin, clients_.AdminFor("idle"));
    idle = fs;
    idle_admin = admin;
  }
  for (size_t i = 0; i < Clients::kMaxClients; ++i) {
    ASSERT_OK(clients_.For(absl::StrCat("user", i)));
  }
  EXPECT_TRUE(idle.expired());
  EXPECT_TRUE(idle_admin.expired());
  EXPECT_THAT(clients_.For("held"), IsOkAndHolds(held));
}

}  // namespace
}  // namespace cairn::fuse
