window.friendbuy = window.friendbuy || [];
