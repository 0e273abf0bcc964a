"""Templates and words from which `make_ads.py` makes up advertising, page frames and articles.

A template's `{slot}` is filled from WORDS, whose entries may have slots themselves. All of it was
written for this purpose from general knowledge; none is copied from a page.
"""

# ruff: noqa: E501

WORDS = {
    "d": "0 1 2 3 4 5 6 7 8 9",
    "n": "2 3 5 7 8 10 12 15 20 24 30 36 48 50 60 88 90 99 100 128 168 188 200 288 300 388 500 588 666 888 998 1000 2000 5000 8888 10000",
    "pct": "5 10 12 15 20 30 40 50 60 70 75 80 90 95 98 99 99.9 100",
    "phone": "13{d}{d}{d}{d}{d}{d}{d}{d}{d}|15{d}-{d}{d}{d}{d}-{d}{d}{d}{d}|18{d}{d}{d}{d}{d}{d}{d}{d}{d}|400-{d}{d}{d}-{d}{d}{d}{d}|400{d}{d}{d}{d}{d}{d}{d}|0{d}{d}-{d}{d}{d}{d}{d}{d}{d}{d}|0{d}{d}{d}-{d}{d}{d}{d}{d}{d}{d}",
    "qq": "{d}{d}{d}{d}{d}{d}|{d}{d}{d}{d}{d}{d}{d}{d}|{d}{d}{d}{d}{d}{d}{d}{d}{d}{d}|{d}{d}{d} {d}{d}{d} {d}{d}{d}",
    "id": "{ab}{ab}{d}{d}{d}{d}|{ab}{ab}{ab}{d}{d}{d}{d}{d}|{ab}{ab}{ab}_{d}{d}{d}|{ab}{ab}-{d}{d}{d}{d}|{ab}{ab}{ab}{ab}{ab}{d}{d}{d}",
    "ab": "a b c d e f g h j k l m n p q r s t w x y z",
    "wx": "微信|薇信|微信号|vx|VX|v信|V信|wx|WX|薇|威信|微芯|薇芯|徽信|维信|V|v|➕v|加v|加V|加微|加薇|＋V|+v|+V|添加微信|微❤|V❤|加微信|卫星|wechat|Ⓥ|嶶信|溦信|加威|加徽|微信同号|威芯|V芯|卫❤️|绿泡泡",
    "qqw": "QQ|qq|扣扣|扣|QQ群|q群|企鹅|抠抠|Q|群号|扣群|企鹅号|蔻蔻|QQ交流群|加群|进群|裙|群|加裙|交流裙|qun",
    "tg": "telegram|Telegram|电报|飞机|飞机号|纸飞机|TG|tg|电报群|t.me/|https://t.me/|飞机群",
    "contact": "{wx}：{id}|{wx}:{id}|{wx}{id}|{wx} {id}|{wx}：{phone}|{wx}{phone}|{qqw}：{qq}|{qqw}:{qq}|{qqw}{qq}|{qqw} {qq}|{tg}：@{id}|{tg} @{id}|{tg}{id}|电话：{phone}|电话{phone}|联系电话{phone}|热线：{phone}|手机{phone}|咨询{phone}|{boss}{phone}|{boss} {phone}|{phone}{boss}|电话微信同号{phone}|{phone}（微信同号）|咨询{wx}{id}|联系{wx}：{id}|{urlzh}",
    "boss": "张经理|王经理|李经理|陈生|刘小姐|赵老师|周会计|联系人：孙先生|小李|阿强|客服小美|老王|杨总",
    "urlzh": "www.{id}.com|{id}.cc|{id}.vip|http://www.{id}.net|{id}.com|{id}点com|{id}.top|www.{id}点com|{id}.xyz|网址：{id}.com|官网 www.{id}.cc|访问 {id}.net|{id}.bet|{id}.app|m.{id}.com",
    "callzh": "欢迎咨询|详情咨询|有意者联系|有需要的联系|需要的加|非诚勿扰|免费咨询|先到先得|名额有限|限时|速来|欢迎来电|欢迎加入|点击进入|点击注册|点击领取|扫码进群|扫码领取|立即注册|马上抢购|详谈|私聊|滴滴我|点我头像|看我主页|诚信经营|值得信赖|价格优惠|量大从优|加我详聊|私我|有意私信|24小时在线|24小时服务|长期有效|了解更多|备注进群|同号|欢迎选购|来电详谈|期待您的来电|欢迎前来咨询|想要的加|想了解的加|评论区见|速度上车",
    "emo": "🔥|💰|✅|👉|❤️|⭐|💋|🎁|🚀|📣|💎|➕|👇|🉑|📞|♥|★|●|☎|【】|🔞|🎉|🌹",
    # gambling
    "betplace": "澳门{casino}|{casino}|{casino}娱乐城|{casino}官网|{casino}平台|{casino}国际|{casino}体育|新{casino}|亚洲{casino}|{casino}棋牌|{casino}彩票|{casino}集团",
    "casino": "葡京|银河|威尼斯人|金沙|太阳城|永利|皇冠|新濠|美高梅|凯旋门|金宝博|明升|大发|亚博|开元|乐鱼|必发|同乐|万博|九五至尊|盈丰|云顶|宝马会|博亿|博彩|金牌|永盛|凤凰|星河|爱博|贝博|火狐|龙虎|财神",
    "bet": "百家乐|龙虎斗|牛牛|炸金花|老虎机|捕鱼|真人荷官|电子游艺|体育投注|足球投注|时时彩|北京赛车|PK10|幸运飞艇|快三|分分彩|六合彩|特码|双色球预测|轮盘|21点|德州扑克|斗地主|彩票|棋牌|竞彩|滚球|电竞竞猜|真人视讯|11选5|腾讯分分彩|重庆时时彩|江苏快3|加拿大28|PC蛋蛋|斗牛|麻将房卡|赛马|刮刮乐|一肖中特|三中三|平特一肖|波色|大小单双|波胆|让球|串关",
    "bonus": "注册送{n}|首存送{n}|首充送{pct}%|存{n}送{n}|充{n}送{n}|开户送{n}元|送{n}彩金|体验金{n}元|每日返水{pct}%|首存返{pct}%|入款返利{pct}%|豪礼相送|首存即送{n}|赠送{n}元礼金|返水{pct}%|笔笔返现|开户即领{n}元|新会员送{n}|彩金{n}元免费领|转运金|救援金|入款优惠",
    "betplus": "信誉第一|信誉老台|老品牌|十年老台|官方直营|官方授权|秒提现|极速出款|出款快|提款秒到|24小时客服|不限额|赔率9.9|高赔率|稳定不封|大额无忧|安全可靠|诚招代理|招总代|代理日结|佣金{pct}%|免费试玩|USDT充值|支持手机APP|公平公正|无需打码|玩家首选|全网最高赔率|信誉保证|天天返利|欢迎试玩|资金安全",
    "plan": "计划群|精准计划|人工计划|免费计划|导师带队|跟投|带单|稳赚|回血|上岸|包赢|稳中|倍投方案|内部资料|精准资料|内部消息|必中|包中|带你翻本|带你回本|吃肉|上车|准确率{pct}%|胜率{pct}%|日赚{n}|月入{n}|不中赔钱|先中后付|免费资料|最准资料|跟计划|杀号技巧|中奖技巧|专家预测|今晚必开|今期必出|开奖直播|开奖记录|心水论坛",
    # adult
    "girl": "美女|少妇|学生妹|空姐|嫩模|外围|模特|人妻|御姐|萝莉|妹子|楼凤|技师|白领|护士|辣妹|主播|小姐姐|熟女|车模|洋妞|寂寞女人|女大学生|小姐",
    "adult": "约炮|裸聊|一夜情|上门服务|全套服务|包夜|援交|同城约|同城交友|激情视频|成人视频|成人直播|无码|三级片|自拍偷拍|情色|裸体|高清无码|福利视频|口爆|中文字幕|日韩|欧美|国产|亚洲|麻豆|巨乳|制服丝袜|乱伦|av|AV在线|a片|黄片|成人电影|成人网|成人小说|一区二区|三区|91|偷情|调教|视频裸聊|大尺度|私密视频|完整版视频|门事件|福利姬|成人app|色情|性爱|做爱|激情|人妖|自慰|潮喷|不卡|精品|免费观看|在线观看|在线播放|手机在线|资源|种子|无遮挡|毛片|黄色|伦理|丝袜|露出|久久|热热|青青草|性感|福利",
    # documents and invoices
    "cert": "毕业证|学位证|驾驶证|身份证|房产证|结婚证|资格证|会计证|职称证|建造师|学历|文凭|营业执照|出生证|驾照|行驶证|四六级证书|教师证|护照|户口本|离婚证|港澳通行证|特种作业证|健康证|大专学历|本科文凭|学信网可查|电工证|英语证书|资质|公章",
    "certv": "办理|代办|专业办|快速办理|办|制作|快办|刻章办|正规办|承接|低价办理|精仿|高仿|免考|包过|免试拿|不用考",
    "inv": "发票|增值税发票|专票|普票|餐饮票|住宿票|广告费发票|建筑发票|运输发票|会务费票|票据|各类发票|机打票|抵扣票|咨询费发票|材料票|劳务票|办公用品票|定额票|住宿费",
    "invv": "代开|开|提供|出售|代理开具|可开|长期代开|正规代开|优惠代开|有|常年代开|低点代开|对外代开|代理",
    "invp": "真票|可验|先验后付|验票付款|税点低|点数低|点数优惠|全国可开|网上可查|当天出票|票面可查|保真|税务局可查|验真后付款|可抵扣|增值税{d}个点|量大从优",
    # loans, money, jobs
    "loan": "贷款|信用贷|无抵押贷款|小额贷款|车贷|房贷|空放|网贷|身份证贷款|信用卡套现|花呗套现|信用卡代还|提额|征信修复|黑户贷款|白条套现|大额信用卡|应急借款|私人放款|民间借贷|借呗套现|公积金贷|垫资过桥|企业贷|抵押贷|口子|下款口子|急用钱|周转资金|资金周转|养卡",
    "loanp": "无抵押|当天放款|秒到账|不看征信|黑白户|黑户可做|最高{n}万|利息低|额度高|下款快|无前期|凭身份证|{n}分钟到账|门槛低|成功后收费|不上征信|手续简单|当天下款|秒批|秒下款|月息低至{d}厘|零门槛|包下款|逾期可做|随借随还|有无逾期均可|利率低至|无需担保|放款快|正规机构|全国可做|一手资方",
    "job": "兼职|网络兼职|刷单|打字员|手机兼职|在家兼职|淘宝刷单|录入员|点赞员|网赚|手工活外发|试玩赚钱|挂机赚钱|副业|招募兼职|招聘客服|夜场招聘|抄写员|自媒体项目|宝妈副业|抖音点赞兼职|佳丽|KTV招聘|游戏试玩员|刷客|推广员|地推|微商代理|团队创业|跨境电商项目|低投入项目",
    "jobp": "日结|工资日结|一单一结|日赚{n}|日入{n}|月入过万|月入{n}|轻松赚钱|时间自由|无押金|不收费|有手机就行|在家可做|多劳多得|学生宝妈均可|躺赚|零投资|零门槛|无需经验|一天{n}元|操作简单|当天提现|轻松过万|被动收入|无需垫付|一部手机|包吃住|急招|大量招聘|天天有钱赚|收入稳定|财务自由|不拖欠|零风险|无套路|诚招|有意者",
    "stock": "股票|牛股|涨停板|黑马股|荐股|配资|股票配资|外汇|期货|现货|黄金|原油|虚拟币|比特币|USDT|合约|数字货币|基金|理财|打新|量化|空投|矿机|以太坊|炒币|币圈|区块链项目|原始股|NFT|挖矿|妖股",
    "stockp": "老师带单|免费诊股|内幕消息|稳赚不赔|收益率{pct}%|日收益{pct}%|翻倍|保本保息|进群领取|免费讲解|实盘跟单|高手带队|{n}倍杠杆|入金赠{n}|每天一只涨停股|免费推荐|收益稳定|年化{pct}%|搬砖套利|百倍币|带你赚钱|跟单|月化{pct}%|随时提现|回本|名额仅剩{d}位|限时内测|暴涨|即将拉升|解套|胜率{pct}%|零风险|开户送金|高收益|一对一指导",
    # medicine
    "ill": "白癜风|牛皮癣|癫痫|阳痿|早泄|不孕不育|尖锐湿疣|糖尿病|高血压|痔疮|肝病|鼻炎|前列腺炎|脱发|狐臭|灰指甲|风湿|类风湿|股骨头坏死|乙肝|近视|关节炎|颈椎病|腰椎间盘突出|哮喘|湿疹|青春痘|失眠|胃病|妇科病|宫颈糜烂|打鼾|多动症|抑郁症|羊癫疯|银屑病|性病|梅毒|甲亢|口臭|肾虚|耳鸣|疱疹|荨麻疹|白斑|鱼鳞病|静脉曲张|强直性脊柱炎|脑瘫|包皮|人流",
    "cure": "祖传秘方|一贴见效|三天见效|根治不复发|永不复发|包治|彻底治愈|无效退款|告别{ill}|老中医|{d}个疗程|纯中药|签约治疗|一次见效|不打针不吃药|特效药|免费试用|货到付款|无副作用|快速见效|当天见效|不反弹|停药不反弹|治愈率{pct}%|专利产品|已有{n}万患者康复|专家在线|在线咨询|新突破|疗效显著|斩断病根|药到病除|名医坐诊|不开刀",
    "city": "北京|上海|广州|深圳|成都|武汉|郑州|西安|南京|杭州|重庆|天津|长沙|济南|青岛|苏州|哈尔滨|石家庄|昆明|合肥|福州|厦门|贵阳|太原|沈阳|大连|东莞|佛山|无锡|宁波|温州|兰州|江苏|河北|山东|浙江|上海浦东|北京朝阳",
    "hosp": "哪家医院好|医院哪家好|最好的医院|专科医院|医院排名|哪里治|去哪里治|治疗费用多少|多少钱|什么医院好|专业医院|权威医院|怎么治|怎么治疗好|医院在哪里|男科医院|妇科医院|正规医院|怎么样|哪家最好|较好的医院|医院排行榜|看哪里好|费用贵吗|哪个医院|口碑好的医院|挂号电话",
    "sexpill": "壮阳药|伟哥|延时喷剂|印度神油|增大增粗|持久液|男用保健品|万艾可|催情药|迷药|听话水|蒙汗药|媚药|补肾药|延时湿巾|阴茎增大|速效壮阳|乖乖水|三唑仑|苍蝇水|持久丸|强效壮阳|金戈|安眠药水|猛男丸|男性保健",
    "slim": "减肥|瘦身|减肥茶|瘦瘦包|减肥咖啡|酵素|左旋肉碱|丰胸|祛斑|美白|增高|祛痘|祛疤|生发|防脱|瘦脸|溶脂|纤体|排毒|燃脂|燃脂胶囊|睫毛增长液|去皱|玻尿酸|水光针|光子嫩肤|植发|种植牙|双眼皮|隆鼻|整容",
    "slimp": "{n}天瘦{n}斤|不反弹|无副作用|一个月瘦{n}斤|躺着瘦|不节食|不运动|纯天然|安全有效|无效退款|厂家直销|招代理|货到付款|咨询客服|立减{n}元|原价{n}现价{n}|免费体验|仅需{n}元|特惠{n}元|当天见效|月瘦{n}斤|越睡越瘦|预约优惠",
    # software, hacking, seo, followers
    "hack": "黑客接单|盗号|破解密码|查开房记录|手机定位|手机监听|查通话记录|查聊天记录|入侵网站|DDOS攻击|刷钻|改成绩|找回密码|渗透测试接单|微信聊天记录查询|查人找人|私家侦探|婚外情调查|要账|讨债|出售数据|车主数据|股民电话|个人信息查询|四件套|银行卡|对公账户|手机卡|实名微信号|微信号出售|QQ号批发|游戏账号|小号|老号|解封|短信轰炸|改号软件|窃听器|跟踪器|针孔摄像头|作弊器|隐形耳机|开锁工具|干扰器|万能钥匙|信号屏蔽器|WiFi破解|仿真枪|气枪|弓弩|电棍",
    "hackp": "专业|接单|出售|低价出售|先办后付|信息准确|成功后付款|高价收购|大量批发|当天出结果|安全保密|高价回收|实力团队|长期收购|批量出|量大从优|稳定|现货|隐私发货",
    "seo": "百度快照|百度排名|关键词排名|网站优化|seo优化|外链代发|友情链接交换|站群|快速排名|蜘蛛池|网站建设|百度推广|泛目录|网络推广|软文发布|下拉词|负面删除|收录|高权重外链|黑帽seo|寄生虫程序|权重提升|网站排名|整站优化|首页优化|快排|短信群发|邮件群发|微信群发|营销软件|爆粉软件|精准引流|获客系统|竞价开户|信息流开户|小程序开发|网站制作|APP开发|代写文案",
    "fans": "刷粉丝|涨粉|刷赞|刷阅读量|刷播放量|僵尸粉|抖音涨粉|快手涨粉|公众号阅读|直播间人气|刷评论|刷投票|投票|微博粉丝|刷单平台|自助下单|代刷网|刷礼物|卡盟|刷级|代刷平台|点赞|抖币充值|小红书种草|补单|放单|店铺刷信誉|刷好评|买粉丝|流量主|助力|砍一刀",
    "game": "传奇|奇迹|天龙|魔域|DNF|地下城|王者荣耀|吃鸡|梦幻西游|热血江湖|诛仙|完美世界|天堂|永恒之塔|征途|问道|CF|LOL|和平精英|传奇世界|大话西游|剑灵|魔兽",
    "gamep": "私服|SF|sf|私服发布网|新服开放|变态版|公益服|合击|单职业|复古|{d}.{n}版本|散人服|外挂|辅助|透视自瞄|代练|上分|卡盟|脚本|挂机脚本|金币批发|上线送VIP|满级|GM版|爆率全开|充值{n}倍|今日首区|新区火爆开启|免费送装备|装备全靠打|长久稳定|一条龙|开服|装备回收|代充|折扣充值|防封|稳定奔放|包星|打金|首充{d}折",
    "fake": "劳力士|LV|爱马仕|香奈儿|古驰|欧米茄|耐克|阿迪达斯|AJ|椰子|大牌包包|名表|奢侈品|莆田鞋|手表|皮带|高端女包|潮鞋|香烟|中华烟|外烟|免税烟|茅台|化妆品|大牌香水|名牌服装|百达翡丽|苹果手机|二手手机|潮牌",
    "fakep": "高仿|精仿|复刻|一比一|1:1|原单|A货|超A|顶级复刻|专柜品质|支持退换|货到付款|一手货源|厂家直销|一件代发|微商货源|招代理|工厂价|批发|全国包邮|支持专柜验货|原厂皮|代购|尾单|N厂|过验|海关罚没|免费代理|档口直拿|无理由退换|假一赔十",
    "essay": "论文|毕业论文|硕士论文|SCI论文|职称论文|期刊发表|作业|留学生作业|网课|考试|四六级|考研|公务员考试|驾照考试|期末考试|高考答案|核心期刊|英语试卷|课程设计|在职研究生|成人高考|自考",
    "essayp": "代写|代发|代考|替考|包过|枪手|代做|保录用|快速发表|包查重|不过退款|答案出售|先考后付|包发表|代刷|保过|内部渠道|有答案|原创|加急|见刊快|改分",
    "svc": "搬家公司|开锁|管道疏通|家电维修|空调维修|空调回收|注册公司|代理记账|商标注册|货运物流|保洁公司|装修公司|除甲醛|二手车|汽车租赁|月嫂|殡葬服务|速记|翻译公司|印刷|婚庆|律师咨询|离婚律师|废品回收|电脑回收|手机回收|黄金回收|名酒回收|监控安装|防水补漏|房屋拆除|叉车租赁|办公家具|网站建设|财税公司|高价回收|甲醛检测|催收|婚介所|培训学校|挖掘机培训|美容培训|厨师学校|驾校|旅行社|酒店预订|机票|快递|租车",
    "svcp": "公司|电话|哪家好|价格|多少钱|专业|24小时服务|上门服务|免费上门|十年经验|价格优惠|附近|收费标准|最便宜|厂家|批发|信誉好|快速上门|哪家便宜|公司排名|一站式服务|公司电话|价格表|报价|免费估价|免费咨询|诚信经营|口碑好",
    "prod": "不锈钢水箱|无缝钢管|电缆|阀门|水泵|塑料托盘|仿石砖|防火门|护栏网|挖掘机|破碎机|干燥机|包装机|LED灯|伸缩门|广告扇|电动葫芦|皮带输送机|锅炉|活性炭|钢格板|彩钢板|玻璃钢储罐|钢结构|注塑机|搅拌机|不锈钢板|减速机|雕塑|充气膜|石墨|磁铁|轴承|彩砖|集装箱房|冷库|粉碎机|烘干机|篷房|铝单板|岩棉板|液压机|测厚仪|传感器|变压器|色选机",
    "prodp": "厂家|厂家直销|价格|批发|供应商|生产厂家|报价|现货|哪家好|定制|供应|采购|规格齐全|厂家电话|质量好|型号|图片|专业生产|热销|欢迎选购|价格优惠|哪里有卖|量大优惠|最新价格|销售|品牌",
    "luck": "算命|看相|风水大师|改运|和合术|挽回爱情|姻缘|符咒|看八字|塔罗占卜|招财|开光|转运珠|求子|生男生女|测字|紫微斗数|情感挽回|回避桃花",
    "luckp": "大师|不准不要钱|先测后付|三天见效|免费测算|一对一|亲传|法事|灵验|百分百|预测|加我|在线测试|免费看|解答|名师亲批",
    "surro": "代孕|试管婴儿|包性别|包成功|供卵|捐卵|肾源|卖肾|有偿捐献|三代试管|包生男孩|重金求子|高薪捐卵|性别鉴定|越南新娘|富婆|相亲|征婚|交友|代怀",
    "shop": "全场{d}折|满{n}减{n}|买一送一|限时抢购|限时特惠|仅需{n}元|原价{n}元|现价{n}|领券|领取优惠券|包邮|秒杀价|立即抢购|手慢无|清仓|库存告急|最后{n}件|戳链接|下单立减{n}|{n}元优惠券|点击购买|爆款|双11|618大促|抢红包|返现|免费领|0元领|薅羊毛|拼团价|内部价|福利价|到手价{n}|赠品|前{n}名|复制口令打开淘宝|打开链接|抽奖|限量{n}份|加购|超值",
    "good": "手机壳|面膜|大闸蟹|茶叶|净水器|空气炸锅|充电宝|纸尿裤|羽绒服|按摩仪|护肤套装|耳机|床垫|奶粉|红酒|坚果礼盒|课程|资料包|保险|话费|流量卡|宽带|会员|电子书|零食|牙刷|口红|洗衣液|体检套餐",
    # page frames, Chinese
    "nav": "首页|新闻|国内|国际|社会|娱乐|体育|财经|科技|军事|汽车|房产|教育|健康|时尚|视频|图片|论坛|博客|社区|要闻|评论|访谈|专题|地方|公司简介|产品中心|新闻中心|联系我们|关于我们|工程案例|资质荣誉|在线留言|人才招聘|成功案例|服务项目|网站地图|友情链接|广告服务|版权声明|法律声明|隐私政策|帮助中心|登录|注册|退出|搜索|我的|会员中心|收藏|下载|行业动态|公司动态|技术支持|合作伙伴|加入我们|意见反馈|免责声明|在线客服|设为首页|加入收藏|手机版|电脑版|客户端|English|繁体|游戏|旅游|美食|文化|历史|读书|母婴|星座|招聘|直播|滚动|时评|理论|党建|政务|投诉|举报|注册登录|购物车|订单|更多|返回|上一页|下一页|尾页|末页|打印|关闭|分享|微博|微信|QQ空间|朋友圈|网站首页|企业文化|联系方式|荣誉资质|新闻动态|营销网络|解决方案|案例展示|下载中心|商务合作|服务条款|用户协议|媒体报道|投资者关系|诚聘英才|网站律师",
    "navsep": [" | ", " ", "|", " · ", "｜", " > ", " - ", "/", " >> ", "丨", "	"],
    "name": "张伟|王芳|李娜|刘洋|陈静|杨帆|赵磊|孙丽|周强|吴敏|徐斌|胡军|朱琳|林涛|何欢|郭亮|马超|罗娟|高峰|郑爽|记者|本报|小编|佚名|admin|管理员|网络|实习生 黄欣|田园|欧阳慧",
    "src": "新华网|人民网|新浪网|腾讯新闻|搜狐|网易|中国新闻网|央视网|光明网|澎湃新闻|中国日报|新京报|南方都市报|环球网|经济日报|本站原创|互联网|网络|北京晚报|第一财经|本网|某某晚报|本刊|微信公众号|华西都市报|大河网|海外网|知乎|百度百科|界面新闻",
    "title": "{city}{thing}{verb}|{thing}的{num}个{kind}|{verb}{thing}，{city}这样做|为什么{thing}越来越{adj}|{thing}怎么选？|如何{verb}{thing}|{city}发布{thing}新规|{num}种{thing}不能吃|{thing}到底有多{adj}|专家：{thing}{adj}|女子买{thing}后惊呆了|他{verb}{thing}，结果……|{thing}大全|{city}{thing}报告",
    "thing": "房价|养老金|地铁|春节档电影|高考作文|学校|新能源车|天气|大米|手机|咖啡|明星|公园|医院|马拉松|楼市|博物馆|垃圾分类|直播带货|水果|早餐|隔夜菜|小区|快递|旅游|教师节|夜市|高铁|牛奶|宠物",
    "verb": "上涨|改造|开通|走红|投入使用|迎来新变化|引热议|调整|启动|回暖|学习|提升|举办|引发关注",
    "adj": "贵|火|重要|可怕|好看|便宜|难|健康|受欢迎|危险",
    "num": "3 5 7 8 10 12 18",
    "kind": "误区|好处|技巧|秘密|真相|习惯|故事|坏处|方法|征兆",
    "date": "2019-05-06|2021-11-03 08:20|2018年6月12日|2020/03/04 15:33:21|昨天 12:30|3天前|10分钟前|2022-08-19|2017-01-09 17:45:02|05-21|2023.06.30|刚刚|1小时前",
    "site": "某某网|本站|本网|XX在线|东方网|凤凰论坛|笔趣阁|优书网|健康之家|站长之家|本论坛|本平台|本公众号|XX日报|小说网|教育网|中华网|本报|本社",
    # English spam
    "ucl": "http://www.{id}.com|www.{id}.com|{id}.com|https://{id}.net/{id}|bit.ly/{id}|t.me/{id}|{id}.xyz|{id}.shop|{id}.io|tinyurl.com/{id}|{id}@gmail.com|info@{id}.com|sales@{id}.net",
    "cten": "call {pen}|whatsapp {pen}|WhatsApp: {pen}|telegram @{id}|contact me on telegram {id}|email {id}@gmail.com|visit {ucl}|at {ucl}|DM me|text {pen}|contact us|click here|link below|{ucl}|reply to this email|dm for price|inbox me|add me on whatsapp {pen}|hit me up|order at {ucl}|Call now {pen}|Call {pen} today|link in bio",
    "pen": "+1 {d}{d}{d}-{d}{d}{d}-{d}{d}{d}{d}|({d}{d}{d}) 555-{d}{d}{d}{d}|0{d}{d}{d}{d}{d}{d}{d}{d}{d}{d}|+44 {d}{d}{d}{d} {d}{d}{d}{d}{d}{d}|1-800-{d}{d}{d}-{d}{d}{d}{d}|+234{d}{d}{d}{d}{d}{d}{d}{d}{d}{d}|8{d}{d}{d}{d}|+91 {d}{d}{d}{d}{d}{d}{d}{d}{d}{d}",
    "callen": "click here|order now|buy now|sign up today|join now|call now|apply now|shop now|limited time offer|act now|don't miss out|get started today|100% guaranteed|satisfaction guaranteed|free shipping|no questions asked|hurry|start today|money back guarantee|limited spots|try it free|offer ends soon|risk free|get yours now|today only|while supplies last|no strings attached|claim yours now|reply now|contact us now|instant delivery|fast delivery|free quote|free consultation|best price|lowest prices|worldwide shipping|discreet shipping|no experience needed|see details|learn more|check it out|100% legit|trusted seller|cancel anytime",
    "money": "$500|$1,000|$5000|$97|$250|$19.99|$9.99|£900|£1000|€100|$10,000|$1,500,000|500 USD|$200|$35|2000 dollars|$3,500|£250|$850,000|$49",
    "beten": "online casino|casino|slots|free spins|poker|roulette|blackjack|sportsbook|betting tips|fixed matches|jackpot|live casino|slot machines|lottery|bingo|bitcoin casino|baccarat|sports betting|slot gacor|situs judi|judi online|togel|agen bola|bandar|deposit pulsa|betting site|welcome bonus|no deposit bonus|first deposit bonus|casino bonus|real money slots|keno|scratch cards|horse racing tips|parlay picks|vip tips|daftar|link alternatif|rtp live|terpercaya|poker online|freebet|odds",
    "betenp": "play now and win|bonus up to {money}|{n} free spins|{pct}% match bonus|no deposit required|instant withdrawal|fast payouts|sign up and get {money} free|win big today|win real money|use code {code}|{pct}% sure odds|guaranteed wins|new players welcome|best odds|trusted site|join thousands of winners|no wagering|deposit {money} get {money}|top rated|start winning",
    "code": "WIN100 SAVE20 BONUS SPRING15 VIP WELCOME FREE50",
    "adulten": "hot singles|sexy girls|local milfs|russian brides|cam girls|escorts|free porn|xxx videos|sex chat|adult dating|live sex cams|nude pics|teen sex|hookup|asian women|mature women|naked girls|lesbian videos|leaked nudes|onlyfans leaks|porn tube|gay chat|erotic massage|call girls|escort service|hot babes|horny wives|anal sex|big tits|webcam girls|adult videos|hardcore sex|sugar daddy|lonely housewives|fuck buddy|naughty|sex toys|shemale|blowjob|hentai|amateur porn|dating site|single ladies",
    "adultenp": "in your area|waiting for you|tonight|near you|free registration|watch live now|chat now|meet now|hd streaming|looking for fun|no strings attached|free to join|discreet|incall outcall|24/7|free tokens|uncensored|new videos daily|want to meet you|download free|view photos|18+ only|hot",
    "pill": "viagra|cialis|levitra|tramadol|xanax|phentermine|ambien|valium|kamagra|sildenafil|oxycontin|adderall|weight loss pills|diet pills|keto gummies|cbd oil|cbd gummies|garcinia cambogia|testosterone booster|male enhancement|penis enlargement|steroids|hgh|modafinil|forskolin|anti-aging cream|hair loss cure|brain booster|fat burner|herbal viagra|canadian pharmacy|online pharmacy|generic drugs|percocet|ivermectin|clenbuterol|anabolic steroids|tadalafil|green coffee extract|detox tea|painkillers|miracle cure|herbal remedy|skin whitening cream|ed pills|clomid|accutane",
    "pillp": "without prescription|no prescription|overnight delivery|cheap|lowest price|buy online|for sale|generic|fda approved|doctors hate this|lose {n} pounds in {n} days|melt belly fat|lasts longer|natural formula|free bottle|free trial|order today|discreet packaging|{pct}% off|secret|one weird trick|shipped worldwide|bonus pills|next day delivery|no side effects|guaranteed results|cod|in 2 weeks|burn fat fast|bigger and harder|order online|no rx",
    "loanen": "payday loan|personal loan|cash advance|bad credit loan|mortgage refinance|debt consolidation|business loan|credit repair|student loan forgiveness|instant loan|cash loan|credit card debt|car loan|home equity|loan offer|unsecured loan|short term loan|merchant cash advance|insurance quotes|auto insurance|funding|debt relief|low interest loan|installment loans|title loan",
    "loanenp": "no credit check|bad credit ok|approved in minutes|instant approval|low interest|{pct}% interest|up to {money}|same day funding|get cash today|apply online|save thousands|no collateral|no fees|guaranteed approval|poor credit accepted|money in your account|see if you qualify|fix your credit|lower your payments|no paperwork|eliminate debt|free quote|fast cash|rates as low as {pct}%|are you in debt|within 24 hours|need cash",
    "joben": "work from home|make money online|earn extra income|data entry jobs|paid surveys|home based business|passive income|online jobs|mystery shopper|affiliate marketing|be your own boss|part time job|make {money} a day|earn {money} per week|earn {money} per hour|side hustle|financial freedom|network marketing|dropshipping course|free webinar|MLM|get paid to|typing jobs|google is paying|my neighbor makes {money}|I made {money} last month|quit your job|easy money|typing from home|residual income|start your own business|income opportunity",
    "jobenp": "no experience required|from your couch|weekly pay|{money} per day|{money}/hour|unlimited income|free training|start today|limited positions|from the comfort of your home|in your spare time|no investment|guaranteed income|proven system|step by step|I was skeptical|secret system|just a laptop|no selling|working a few hours|on my first day|visit this site|get paid daily|check this out|ask me how|six figures|on autopilot|for beginners",
    "coin": "bitcoin|crypto|forex|ethereum|BTC|USDT|trading bot|crypto signals|binary options|airdrop|presale|token|altcoin|mining contract|dogecoin|forex signals|pump group|trading robot|NFT mint|stock picks|penny stock|hot stock|investment platform|metamask|wallet|cloud mining|trading platform|investment plan|expert trader|account manager",
    "coinp": "guaranteed profit|double your money|double your bitcoin|{pct}% daily return|100x gem|to the moon|don't miss the next pump|join our telegram|free signals|{pct}% win rate|start with {money}|withdraw anytime|giveaway|claim free tokens|connect your wallet|recover lost funds|managed accounts|copy my trades|earn daily|I invested {money} and got {money}|financially free|huge gains|send {d} get {d} back|limited slots|about to explode|passive earnings|trade with {boss_en}|she helped me|profits every week|returns|verify your wallet|retire early|trusted broker|no risk",
    "boss_en": "Mrs. Anna|Mr. James|Dr. Smith|expert Mary|Elizabeth Brown|coach Leo|Mrs. Susan",
    "seoen": "backlinks|guest posts|seo services|high DA links|rank #1 on google|website traffic|link building|pbn links|web traffic|email list|seo agency|search engine optimization|local seo|web design services|bulk email|leads|domain authority|dofollow links|sponsored post|google reviews|instagram followers|youtube views|tiktok likes|facebook likes|twitter followers|smm panel|spotify plays|telegram members|watch hours|verified badge|youtube subscribers|pva accounts|gmail accounts|aged accounts|mobile app development|digital marketing agency|logo design|lead generation|google ranking|social signals|email marketing|website audit|keyword research",
    "seoenp": "cheap|buy|real|instant|guaranteed|starting at {money}|for {money}|first page of google|boost your traffic|top rankings|increase your sales|delivered fast|high quality|affordable|permanent|for your website|no password required|grow your business|real and active|free audit|{n}k|drive traffic|get more|from {n} cents|resellers|organic|within 24 hours|targeted|boost|non drop|skyrocket|monetize",
    "fakeen": "replica watches|rolex|louis vuitton|gucci bags|ray ban sunglasses|nike shoes|cheap jordans|michael kors|ugg boots|canada goose|nfl jerseys|designer handbags|fake id|passports|driver license|university diploma|degree|ssn|counterfeit money|cloned cards|cvv|fullz|credit card dumps|hacked accounts|netflix accounts|windows key|office key|microsoft office|iptv subscription|wow gold|steam keys|robux|v-bucks|game hack|mod apk|keygen|crack|serial number|gift card generator|hacker for hire|spy app|phone hack|essay writing service|term papers|dissertation help|homework help|ielts certificate|fake documents|stolen cards|atm card|prada|oakley|moncler jacket|toms shoes|hermes|nike air max|beats by dre|hollister|exam dumps|research paper",
    "fakeenp": "cheap|for sale|outlet|online store|{pct}% off|free shipping|wholesale|best quality|AAA quality|buy online|factory price|paypal accepted|original quality|no survey|unlimited|free download|full version|working 2023|lifetime|discount|official|low price|write my essay|plagiarism free|clearance sale|legit|no human verification|instant email delivery|registered|verified|without exam|from china|top grade|sale|undetected|generator|hack|100% working|fast",
    "scam": "Dear friend|Dear customer|Dear winner|Congratulations|URGENT|ATTENTION|Attn beneficiary|Hello dear|Dear beloved|FINAL NOTICE|You have won|You have been selected|Your mobile number has won|Your account has been suspended|Your account is limited|We have been trying to contact you|Good news|Your parcel is waiting|You are a winner|PRIVATE! Your account statement|You've been chosen",
    "scamp": "claim your prize|the sum of {money}|transfer the fund|next of kin|a cash prize of {money}|verify your account details|confirm your bank details|a free holiday|a gift card|a new iPhone|weekly draw|win a {money} prize|reply with your full name|inheritance fund|to claim call {pen}|text WIN to {d}{d}{d}{d}{d}|txt STOP to end|your late client|a confidential business|pay the delivery fee|update your payment information|unclaimed package|award|complimentary tickets|a guaranteed {money} cash|or you will lose access|within 24 hours|to collect|ringtone|free texts|latest camera phone|per msg|reply YES|claim code {d}{d}{d}{d}|valid 12hrs only|from land line|box {d}{d}{d}{d}|18+|free minutes|log on to {ucl}|send STOP|150p|unsubscribe|T&Cs apply|chat to real girls|new video phone|double minutes|your loan|urgent attention|donate|of your email|lottery",
    "cityen": "Austin|Miami|London|Sydney|Chicago|New York|Dallas|Toronto|Mumbai|Delhi|Dubai|Los Angeles|Houston|Manchester|Pune|Melbourne|Phoenix|Atlanta|Brisbane|Seattle|near me|Bangalore|Denver|San Diego",
    "svcen": "plumber|divorce lawyer|locksmith|carpet cleaning|roof repair|dentist|movers|car rental|car accident lawyer|pest control|air conditioning repair|limo service|personal injury attorney|real estate agent|painter|wedding photographer|hotel deals|cheap flights|drain cleaning|web designer|garage door repair|tree removal|bathroom remodeling|SEO company|escort|massage|taxi service|tax accountant|kitchen renovation|dog training|home cleaning|water damage|packers and movers|solar panels|auto glass|cosmetic surgery|hair transplant|rehab center|coworking space|driving school|ball valve manufacturer|steel pipe supplier|packaging machine|interior designer",
    "svcenp": "best|cheap|affordable|24/7|emergency|free quote|free consultation|prices|company|services|licensed and insured|call us today|near you|cost|for hire|local|professional|quality|reviews|top rated|contractor|quote|free estimate|same day|low cost|experts|trusted|hire|number one|family owned|no win no fee|book now|inquiry|wholesale|supplier",
    "spell": "love spell caster|spell caster|bring back your ex|Dr. Ogun|powerful spell|lottery spell|herbal doctor|cured my herpes|cured me of HIV|psychic reading|voodoo|got my husband back|traditional healer|magic ring|illuminati|become rich and famous",
    "blogen": "blog|post|article|website|site|page|content|web site|weblog|write-up|information|info|piece of writing|web page|blog post|paragraph|channel|video",
    "pos": "great|nice|amazing|awesome|excellent|wonderful|fantastic|very good|really helpful|superb|informative|lovely|interesting|remarkable|marvelous|magnificent|fastidious|outstanding|useful|pleasant|good|cool",
    "fcen": "I will bookmark your {blogen}|I'll be back for more|keep up the {pos} work|thanks for sharing|I really enjoyed reading this|I just stumbled upon your {blogen}|you are a very skilled blogger|please visit my {blogen}|check out my {blogen}|my site is {ucl}|feel free to visit my {blogen}|I have shared it with my friends|what theme are you using|do you have any tips for new bloggers|I subscribed to your feed|I found this {blogen} on google|this is exactly what I was looking for|you've done a {pos} job|your writing style is {pos}|thank you for this {pos} {blogen}|I have learned a lot|love your {blogen}|please subscribe to my {blogen}|follow me and I follow back|I couldn't refrain from commenting|great delivery|sound arguments|hope to see more|my brother recommended this {blogen}|looking forward to your next {blogen}|how do I subscribe|I've been looking for this|is there a way I can contact you|who is listening in 2023|like if you agree|I love this {blogen}|please like my comment|sub to my channel|first|following|subscribe to my channel|plz check my new song|will definitely come back|I ran across your {blogen}|have you considered adding images|this {blogen} is genuinely {pos}|I loved as much as you'll receive|your {blogen} loads very fast|are you using wordpress",
    "naven": "Home|News|Sports|Business|Opinion|Lifestyle|Entertainment|Obituaries|Classifieds|Jobs|About|About Us|Contact|Contact Us|Blog|Shop|Services|Products|FAQ|Help|Login|Log In|Sign In|Sign Up|Register|Search|Menu|Subscribe|Newsletter|Newsletters|Privacy|Privacy Policy|Terms|Terms of Use|Terms of Service|Cookie Policy|Careers|Advertise|Sitemap|Archives|Categories|Gallery|Videos|Photos|Podcasts|Weather|Politics|World|US|UK|Tech|Technology|Health|Science|Travel|Food|Style|Arts|Culture|Music|Movies|TV|Books|Games|Events|Forum|Community|Support|Download|Downloads|Account|My Account|Cart|Checkout|Wishlist|Facebook|Twitter|Instagram|YouTube|Pinterest|LinkedIn|Reddit|WhatsApp|Email|Print|Share|Tweet|Save|RSS|Feedback|Press|Investors|Partners|Affiliates|Accessibility|Do Not Sell My Info|Ad Choices|Editions|E-edition|Local|Education|Crime|Real Estate|Autos|Money|Markets|Live|Watch|Listen|Trending|Latest|Popular|Featured|Next|Previous|Prev|Back|More|View All|See All|Load More|Skip to content|Sign up|Log out|Follow us|Share this|Help Center|Store|Deals|Apps|Magazine|Columns|Editorials|Letters|Comics|Horoscopes|Crossword|Puzzles|Public Notices|Staff|Directory|Resources|Press Room|Media Kit|Legal|Copyright|Licensing|Reprints|Corrections",
    "navensep": [" | ", " • ", " · ", " / ", " > ", " ", " » ", " - ", "|", " ", " "],
    "ben": "John Smith|Jane Doe|Tom Brown|Maria Garcia|David Lee|Anna White|Staff|admin|Associated Press|Emily Clark|Reuters Staff|Sarah Jones|Mike Davis|Editor|Laura Wilson|Chris Martin",
    "outlet": "The Example Times|CNN|BBC News|Reuters|The Daily Post|our site|this website|Acme Media|the Morning Herald|our newsroom|Example Inc|WordPress|Disqus|The Guardian|Getty Images|AP|Fox|the author|Google Play|our partners",
    "topic": "health|politics|sports|business|travel|food|technology|finance|entertainment|science|fashion|parenting|gaming|local news|science and health|breaking news|recipes|cars|real estate",
    "den": "May 3, 2015|Nov 20, 2019|March 12, 2021 at 8:45 am|2019-11-20|12 Aug 2019 06.00 BST|3 days ago|20 hours ago|Jan. 4, 2018, 9:30 a.m. ET|Wednesday, November 20, 2019|10/12/2020 14:33|1 week ago|Updated 11:26 pm EST|5 min read|June 2017",
    "ten": "{num} {thingen} you need to know about {topic}|How to {verben} your {thingen}|Why {thingen} are changing {topic}|{thingen}: what we know so far|The best {thingen} of 2020|{num} celebrities who quit {topic}|You won't believe what this {thingen} did next|{num} {thingen} that will shock you|What happened next left everyone speechless|Man finds {thingen} in his garden|{thingen} report: {topic} up again|Mayor defends {thingen}|She bought {thingen}, then this happened|Doctors reveal {num} foods to avoid|This {thingen} costs less than you think",
    "thingen": "dogs|houses|recipes|stocks|phones|cities|gardens|schools|movies|games|diets|cars|gadgets|stars|walks|budgets|teachers|storms|habits|books",
    "verben": "clean|save|grow|choose|fix|cook|sell|improve|protect",
    # promotions, membership and house rules
    "event": "有奖征文|摄影大赛|抽奖|晒单有礼|有奖问卷|投票评选|团购|线下沙龙|免费公开课|夏令营|周年庆|读者见面会|有奖竞猜|新品试用|新品发布会|直播课|粉丝福利|签到打卡|优惠券大派送|品鉴会|相亲会|看房团|体验课",
    "prize": "电影票{d}张|{n}元红包|精美礼品一份|大礼包|{n}元购物卡|定制水杯|体验券|年卡一张|最高奖金{n}元|手机一部|无门槛优惠券|神秘礼物|免单机会|试听课{d}节|门票两张",
    "joinzh": "点击报名|火热报名中|报名从速|名额有限，先到先得|点击查看详情|戳这里参加|扫码报名|报名即将截止|快来参加吧|现已开启报名|赶快行动吧|详情请戳|点这里领取|不容错过",
    "class": "早教中心|钢琴培训|少儿英语|驾校|舞蹈培训|书法班|健身房|瑜伽馆|考研辅导|游泳馆|月子中心|篮球训练营|公务员培训|会计培训|美术培训|口才班|少儿编程|跆拳道馆|托管班|化妆学校|厨师学校|电脑培训",
    "season": "暑期班|寒假班|春季班|秋季班|周末班|小班课|新学期|一对一|冲刺班|零基础班",
    "enrol": "火热招生中|开始报名了|招生进行时|现在报名立减{n}|特价名额仅剩{d}个|前{n}名报名送{prize}|老学员介绍有优惠|免费试听|报名送{prize}",
    "vip": "免广告观看全集|畅听全书|享专属折扣|解锁全部章节|看超清完整版|抢先看大结局|下载无限制|每天领{n}积分|全站免费读",
    "ban": "封号|禁言|删除|屏蔽|移交有关部门",
    "crowd": "家人们|宝宝们|小伙伴们|各位亲|朋友们|宝子们|姐妹们",
    "eventen": "giveaway|sweepstakes|photo contest|free webinar|live workshop|summer camp|grand opening|flash sale|open house|reader survey|raffle|holiday sale|members' night|launch party|masterclass",
    "prizeen": "a {money} gift card|two free tickets|a year's supply of coffee|a weekend for two|a new iPad|{pct}% off your next order|a signed copy|early access|a free sample|a goodie bag",
    "shopword": "Add to basket|Add to wishlist|In stock|Out of stock|Only {d} left|Ships within {d} days|Free returns|Size guide|Quantity|SKU: {qq}|Write a review|{n} reviews|Verified purchase|Compare|Notify me when available|Buy now|Checkout",
}

CHINESE_SPAM = """
{event}活动开始啦，{prize}等你拿，{joinzh}
{event}{joinzh}，前{n}名送{prize}
转发本条微博并@{d}位好友，抽取{d}位送{prize}
关注+转发，就有机会获得{prize}
参加{event}赢{prize}，{joinzh}
{event}倒计时{d}天，{joinzh}！
{crowd}，{event}来了，{prize}{joinzh}
{class}{season}{enrol}
{city}{class}{season}{enrol}，{enrol}
{class}{enrol}，{joinzh}，{phone}
孩子{season}去哪里？{class}{enrol}
开通会员{vip}
开通VIP，{vip}，{vip}
成为会员即可{vip}
首月仅需{d}元，{vip}
邀请好友注册，双方各得{prize}
邀请{d}位好友助力，免费领{good}
下载{site}APP，新用户送{prize}
{game}{gamep}官方下载，邀请好友送{prize}
{betplace}官方下载，邀请好友送{bonus}
{crowd}，{good}今天{shop}，{joinzh}
{good}{shop}，{crowd}冲
本店{good}{shop}，进店有礼
凭此短信到店{shop}，回T退订
【{site}】{shop}，{callzh}，退订回T
新店开业，{shop}，{prize}免费领
楼盘{joinzh}，首付{n}万起，看房专车接送，{phone}
精装现房，总价{n}万起，{callzh}{phone}
特价{city}游，{n}元起，{joinzh}
{betplace}，{bonus}，{betplus} {contact}
{betplace} {bonus}
{betplace}{bet}，{betplus}，{bonus}
{bet} {bet} {bet} {betplace}
{bet}{plan}，{plan}，{contact}
{bet}{plan} {contact}
{plan}，{plan}，{callzh}{contact}
{betplus}，{bonus}，{callzh}
玩{bet}就上{betplace}，{bonus}，{urlzh}
{bet}平台，{betplus}，{bonus}
{bet}、{bet}、{bet}应有尽有，{bonus}
跟着老师玩{bet}，{plan}，{plan}，{contact}
{bet}网上投注 {bet}技巧 {bet}官网 {betplace}
{bet}最新{plan} 今晚{bet}{plan}
{city}{adult}{girl}，{callzh}，{contact}
{girl}{adult}，{contact}
{adult}{adult} {adult}{girl} {adult}
{adult} {adult} {adult} {adult}
{adult}{adult}{adult}
{city}{girl}上门，{adult}，安全私密，{contact}
附近{girl}在线，{adult}，{callzh}
{girl}{girl}等你来聊，{adult}，{callzh}{contact}
{adult}在线观看 {adult}免费下载 {adult}资源
高端{girl}，{city}商务伴游，{contact}
{certv}{cert}、{cert}、{cert}，{contact}
{certv}{cert}，{callzh}，{contact}
{certv}各类证件：{cert}，{cert}，{invp} {contact}
{city}{certv}{cert} {contact}
{cert}{certv}，快速出证，不成功不收费
{invv}{inv}，{invp}，{invp}，{contact}
{city}{invv}{inv} {contact}
公司{invv}{inv}，{invp}，{callzh}{contact}
本公司长期{invv}{inv}、{inv}，{invp}
{inv}{invv}，{invp}，{boss}{phone}
{loan}，{loanp}，{loanp}，{contact}
{loan}{loanp}，{callzh}
{city}{loan}，{loanp}，{loanp}，{contact}
急用钱？{loan}，{loanp}，{loanp}
{loan}、{loan}、{loan}，{loanp}，{contact}
专业{loan}，{loanp}，{callzh}，{wx}{id}
{job}，{jobp}，{jobp}，{contact}
招{job}，{jobp}，{jobp}，{callzh}
{job}{jobp}，{jobp}，有意{contact}
{jobp}，{jobp}，不想打工的看过来，{contact}
宝妈学生看过来，{job}，{jobp}，{jobp}
我做{job}一个月赚了{n}，{jobp}，想学的{contact}
{stock}{stockp}，{stockp}，{contact}
{stock}{stockp}，{callzh}
{stockp}，{stock}{stockp}，扫码进群
{stock}投资，{stockp}，{stockp}，限时
加老师{contact}，{stock}{stockp}
{city}{ill}{hosp}
{city}{ill}{hosp} {city}{ill}{hosp} {city}{ill}医院
{city}治{ill}{hosp}，{city}{ill}{hosp}
治疗{ill}{hosp}？{city}{ill}医院，{cure}
{ill}患者的福音，{cure}，{cure}，{contact}
{cure}，{ill}{cure}，{callzh}{phone}
{ill}不用愁，{cure}，{cure}，{callzh}
祖传{ill}秘方，{cure}，{contact}
{sexpill}，{cure}，{contact}
{sexpill}{callzh}，货到付款，保密发货
正品{sexpill}，{sexpill}，持久{n}分钟，{contact}
{sexpill}、{sexpill}、{sexpill}网上订购，隐私包装
{slim}{slimp}，{slimp}，{contact}
{slim}产品，{slimp}，{slimp}，招代理
{slimp}，{slim}就是这么简单，加我{contact}
{slim}，{slimp}，{callzh}
{hack}，{hackp}，{contact}
{hackp}{hack}、{hack}、{hack}，{contact}
专业{hack}，{hackp}，{callzh}
{hack}，{hack}，{hackp}
{seo}，{seo}，{callzh}{contact}
专业{seo}，包上首页，不成功不收费，{contact}
{seo}哪家好 {seo}公司 {city}{seo}
{seo}{n}元起，{n}天见效，{contact}
{fans}，{fans}，{n}元{n}个，{contact}
{fans}平台，真人活粉，24小时自助下单 {urlzh}
{fans}安全稳定，不掉粉，{callzh}
{game}{gamep}，{gamep}，{urlzh}
{game}{gamep}，{gamep}，{gamep}
找{game}{gamep}就上{urlzh}
{game}{gamep} {contact}
{fake}{fakep}，{fakep}，{contact}
{fakep}{fake}，{fakep}，{fakep}
{fake}、{fake}、{fake}{fakep}，{callzh}
{fakep}{fake}，{contact}
{essay}{essayp}，{essayp}，{contact}
{essayp}{essay}，{callzh}，{contact}
专业{essayp}{essay}、{essay}，{essayp}
{city}{svc}{svcp}
{city}{svc} {city}{svcp}{svc} {city}{svc}{svcp}
{city}{svc}{svcp}，{svcp}，{phone}
{svc}，{svcp}，{callzh}：{phone}
专业{svc}，{svcp}，{svcp}，电话：{phone}
{prod}{prodp}，{prod}{prodp}，{prodp}
{prod},{prod}{prodp},{city}{prod}{prodp}
{city}{prod}{prodp} {prod}{prodp} {prod}
{prod}{prodp}，欢迎来电：{phone}
供应{prod}、{prod}，{prodp}，联系人：{boss}，{phone}
{luck}{luckp}，{luckp}，{contact}
{luck}，{luckp}，{callzh}
{surro}，{surro}，正规公司，{contact}
{surro}，{callzh}，{contact}
{shop}！{good}{shop}，{shop}
{good}{shop}，{shop}，点击链接购买
{shop}，{shop}！
【{good}】{shop} {urlzh}
{good}{shop}，{callzh}
{good}限时{shop}>>
{callzh}{contact}
{contact} {callzh}
{contact}
{emo}{callzh}{emo}{contact}
{emo}{shop}{emo}{shop}
{emo}{betplus}{emo}{bonus}{emo}
扫描二维码，{shop}
"""

CHINESE_FRAME = """
请勿发布广告、政治敏感等信息，否则将被{ban}
请勿发布违法信息，违者{ban}
发帖请遵守相关法律法规，禁止灌水和人身攻击
发言请文明，违规内容将被{ban}
温馨提示：按回车键返回目录，按←键返回上一页，按→键进入下一页
温馨提示：方向键左右翻页，上下滚屏
本章未完，请点击下一页继续阅读
请记住本站域名：{urlzh}，手机版：{urlzh}
喜欢请收藏：{urlzh}，{site}更新速度最快
把本书加入书架，方便下次阅读
加入书签，方便阅读
推荐票 月票 打赏 加入书架
您的浏览器版本过低，建议升级后访问
建议使用谷歌浏览器，分辨率1024*768以上
您还没有登录，请登录或注册后查看
您所在的用户组没有权限查看附件
本帖最后由 {name} 于 {date} 编辑
该主题由 {name} 于 {date} 审核通过
{name} 发表于 {date} 楼主
回复 {d}楼 {name} 只看该作者
使用道具 举报 回复
返回列表 发新帖
电脑版 | 触屏版 | 客户端
切换到手机版
返回顶部 在线客服 意见反馈
加入购物车 立即购买
商品编号：{qq} 库存：{n}件 销量：{n}
累计评价 {n} 月销 {n}+
七天无理由退换 正品保障 极速退款
为您推荐 换一批
看了又看
大家还在看：{title}
相关推荐：{title}
相关视频：{title}
热搜：{thing} {thing} {thing}
本周热议：{title}
关联阅读：{title}
往期回顾：{title}
合集：{title}
查看剩余{n}%内容
剩余内容需付费阅读
登录后可查看全文
展开阅读全文
已有{n}人点赞
{n}人觉得有用
赞同 {n} 添加评论 分享 收藏
来自手机客户端
发自我的iPhone
正在加载，请稍候
加载失败，点击重试
没有更多了
视频加载中，请稍候
当前浏览器不支持播放
播放量：{n}万 弹幕：{n}
订阅邮件，每周获取{thing}资讯
未登录用户只能浏览前{d}页
积分不足，无法下载
文档大小：{n}KB 上传者：{name}
下载次数：{n} 售价：{d}金币
主编：{name} 副主编：{name}
审核：{name} 校对：{name} 排版：{name}
值班主任：{name} 值班编委：{name}
广告热线：{phone} 发行热线：{phone}
新闻线索请拨打{phone}
有新闻线索欢迎向{site}爆料，电话{phone}
{nav}{navsep}{nav}{navsep}{nav}
{nav}{navsep}{nav}{navsep}{nav}{navsep}{nav}{navsep}{nav}{navsep}{nav}
{nav} {nav} {nav} {nav} {nav} {nav} {nav} {nav}
{nav}
[{nav}]
当前位置：首页>{nav}>{nav}>正文
您的位置：首页 - {nav} - {nav}
您现在的位置： 首页 >> {nav} >> {title}
首页 > {nav} > {title}
位置：{site} > {nav}
上一篇：{title}
下一篇：{title}
上一篇：{title} 下一篇：{title}
上一条：{title}
上一页 1 2 3 4 5 下一页
共{n}条 {d}/{n}页 首页 上一页 下一页 尾页
第{d}页/共{n}页
相关阅读：{title}
相关文章
相关新闻 更多>>
推荐阅读：{title}
推荐阅读
延伸阅读：{title}
猜你喜欢
热门推荐：{title}
更多精彩：{title}
今日热点：{title}
热点丨{title}
精彩推荐 {title} {title}
[视频] {title}
【热点】{title}
点击排行 1.{title} 2.{title}
热门标签：{thing} {thing} {thing}
标签：{thing},{thing}
关键词：{thing} {thing} {thing}
责任编辑：{name}
（责任编辑：{name}）
（责编：{name}、{name}）
编辑：{name}
【编辑:{name}】
[编辑:{name}]
作者：{name}
记者 {name} 通讯员 {name}
文/{name}
文/{name} 图/{name}
摄影/{name}
本报记者 {name} 摄
（作者系{site}特约评论员）
来源：{src}
来源：{src} 作者：{name}
（来源：{src}）
{date} 来源：{src}
{date}　{src}　{name}
稿源：{src}
原标题：{title}
发布时间：{date}
发布时间：{date} 浏览次数：{n}
发表于 {date}
更新时间：{date} 点击：{n}次
{date} {n}人浏览 {n}条评论
发布者：{name} 时间：{date} 阅读：{n}
浏览({n}) 评论({d}) 收藏
阅读 {n}　点赞 {d}
点击数：{n}
字号：T|T
【字体：大 中 小】【打印】【关闭】
大 中 小 打印 收藏
[我要纠错]
分享到：微博 微信 QQ空间
分享到
分享至朋友圈
分享到新浪微博
一键分享 举报
打开APP阅读全文
下载{site}客户端，查看更多内容
打开{site}APP，查看更多精彩
点击下载{site}APP
手机扫一扫，随时随地看{thing}
扫码关注{site}公众号
长按识别二维码关注我们
扫描二维码关注{site}，获取更多{thing}
扫一扫，分享给好友
微信扫一扫关注{site}
关注公众号“{site}”，回复“{thing}”领取资料
关注{site}，每天了解{thing}
更多内容，请关注微信公众号：{site}
欢迎关注{site}官方微博
点击上方蓝字关注我们
点击左下角“阅读原文”查看更多
点击阅读原文，了解更多
喜欢就点个在看吧
如果喜欢这篇文章，请点赞、收藏、转发
觉得有用请分享给更多的朋友
素材来源于网络，侵删
图片来源网络，如有侵权请联系删除
文章来源：{src}，版权归原作者所有，如有侵权请联系我们
声明：转载此文是出于传递更多信息之目的，如有来源标注错误请与{site}联系
免责声明：本文仅代表作者个人观点，与{site}无关
本文仅代表作者观点，不代表{site}立场
本文为转载内容，不代表{site}观点
本文观点不代表{site}立场，如有问题请联系{site}
图文版权归{src}所有，如有不妥请告知处理
以上内容由用户上传，{site}只提供存储
参与讨论 | 留言 | 发送
{nav}、{nav}、{nav}
更多>> {nav}
本文由{site}用户上传，{site}仅提供信息存储空间服务
以上内容仅供参考，不构成投资建议
本文内容仅供参考，不能作为诊断及医疗的依据
风险提示：{stock}有风险，投资需谨慎，据此操作，风险自担
凡本网注明“来源：{src}”的作品，版权均属于{site}，未经授权不得转载
未经{site}书面授权，不得转载、摘编或利用其它方式使用
转载请注明出处：{site}
转载请注明来自{site}
本文为原创文章，转载请联系作者获得授权
原创文章，未经授权禁止转载，违者必究
版权所有 {site} 未经许可不得转载
版权所有：{site} 技术支持：{site}
Copyright © 2015-2020 {site} 版权所有
京ICP备{d}{d}{d}{d}{d}{d}{d}{d}号
沪ICP备{d}{d}{d}{d}{d}{d}{d}{d}号-{d} 沪公网安备 {qq}号
增值电信业务经营许可证：B2-{d}{d}{d}{d}{d}
互联网新闻信息服务许可证 {qq}
网络文化经营许可证 文网文[2018]{d}{d}{d}{d}号
违法和不良信息举报电话：{phone} 举报邮箱：{id}@163.com
主办单位：{site} 承办：{site}
主管：{site} 地址：{city}市某某路{n}号
地址：{city}市某某区某某路{n}号 电话：{phone}
联系电话：{phone} 传真：{phone} 邮编：{d}{d}{d}{d}{d}{d}
客服热线：{phone}
电话：{phone} 邮箱：{id}@qq.com
投稿邮箱：{id}@163.com
合作热线：{phone}
网站统计 站长统计
今日访问 {n} 总访问量 {qq}
本站已安全运行 {n} 天
请登录后发表评论
登录后才能评论
还没有账号？立即注册
用户名： 密码： 验证码： 登录 注册
验证码 换一张 提交
发表评论
我要评论
网友评论（{d}）
最新评论
全部评论 {n}条
暂无评论，快来抢沙发
我来说两句 {n}人参与
文明上网理性发言
网友评论仅供网友表达个人看法，并不表明{site}同意其观点
回复 支持 反对 举报
回复 {d}楼 {name}
楼主：{name} {date}
来自：iPhone客户端
只看该作者 倒序浏览
沙发
顶
楼主辛苦了，感谢分享
谢谢楼主，收藏了，慢慢看
感谢楼主的无私分享，好人一生平安
好帖，顶一个
写得真好，学习了，谢谢博主
文章写得不错，转走了
博主你好，欢迎回访
路过，支持一下
签到，赚积分
前排占座，等更新
看了楼主的帖子，受益匪浅
不错不错，支持楼主，{site}越办越好
用了很久了，效果不错，推荐给大家
已经买过好几次了，质量很好，五星好评
物流很快，客服态度好，下次还来
亲测有效，大家可以试试，{urlzh}
我也是用了这个才好的，推荐大家看看 {urlzh}
质量好，价格便宜，发货快，好评
喜欢本书的朋友请收藏{site}
记住本站网址：{urlzh}
手机用户请到{urlzh}阅读
本章未完，点击下一页继续
最新章节请到{site}阅读
求月票求推荐票求收藏
无弹窗广告，{site}更新最快
正在加载，请稍候
页面加载中...
您的浏览器版本过低，请升级浏览器
请开启JavaScript后访问
本网站使用Cookie，继续浏览即表示同意
返回顶部
返回列表
返回首页
加载更多
展开全文
查看更多
收起
更多
更多>>
查看全部
[详细]
加入收藏 设为首页
加入购物车 立即购买
价格：￥{n} 销量：{n}
广告
【广告】{good}{shop}
赞助商链接
{site}首页
全站搜索
请输入关键词
在线咨询
意见反馈
立即登录
免费注册
友情链接：{site} {site} {src}
友情链接 {src} {src} {src}
首頁 關於我們 聯絡我們 隱私權政策
分享到臉書
延伸閱讀：{title}
上一頁 下一頁
版權所有，轉載必究
訂閱電子報
加入會員 登入
"""

ENGLISH_SPAM = """
I was able to get my ex back within {d} days with the help of {boss_en}, contact him at {cten}
My name is {ben} from {cityen} and my marriage was saved by {boss_en}, {cten}
I never believed in spells until {boss_en} helped me win {money}, {cten}
All thanks to {boss_en} who helped me recover my lost bitcoin, reach her at {cten}
I got my loan of {money} from {boss_en} after being refused by banks, {cten}
Enter our {eventen} for a chance to win {prizeen}
Tag {d} friends and share this post to win {prizeen}
Join our {eventen} and get {prizeen}, {callen}
{eventen} ends tonight: {prizeen}, {callen}
Refer a friend and you both get {prizeen}
Spend {money} and get {prizeen}
Our {eventen} is here! {callen}
New customers get {prizeen}, {callen}
Spots are filling fast for our {eventen}, {callen}
Take our {eventen} and get {prizeen}
{beten} - {betenp}, {callen}
{beten} {beten} {beten}
Best {beten}, {betenp}
{betenp} at {ucl}
Play {beten} online, {betenp}
{beten}, {beten}, {beten}, {betenp}
Join our {beten} today and {betenp}
{beten}: {betenp}! {cten}
{adulten} {adultenp}
{adulten}, {adulten}, {adulten}
Meet {adulten} {adultenp}
{adulten} {adultenp}, {callen}
Watch {adulten} {adultenp} {ucl}
Hi, I am a lonely girl, {adultenp}, {cten}
Buy {pill} {pillp}
{pill} {pillp}
{pill}, {pill} and {pill} {pillp}
Order {pill} online, {pillp}, {callen}
{pillp} with {pill}, {cten}
This {pill} helps you {pillp}
Get {pill} {pillp} at {ucl}
{loanen} {loanenp}
Need a {loanen}? {loanenp}, {callen}
Get a {loanen} {loanenp}, {cten}
We offer {loanen} at {pct}% interest, {cten}
{loanenp}, {loanenp}, {callen}
{joben} {jobenp}
{joben}, {jobenp}, {callen}
{joben}! {jobenp} {cten}
I {jobenp} and {joben}, {ucl}
Start {joben} today, {jobenp}
{coin} {coinp}
{coin}: {coinp}, {cten}
Join our {coin} group, {coinp}, {cten}
I was helped by {boss_en}, {coin} {coinp}, {cten}
Invest in {coin}, {coinp}
{coinp} with our {coin}, {callen}
{seoenp} {seoen}
{seoenp} {seoen}, {callen}
We offer {seoen}, {seoen} and {seoen}, {cten}
Need {seoen}? {seoenp}, {cten}
Get {n}k {seoen} {seoenp}
I will build {n} {seoenp} {seoen} for your site
Our experts will {seoenp}, {seoen}, {cten}
{fakeenp} {fakeen}
{fakeen} {fakeenp}, {callen}
{fakeen}, {fakeen}, {fakeen} {fakeenp}
Buy {fakeen} {fakeenp}, {cten}
{fakeenp} {fakeen}, {fakeenp} {fakeen}, {fakeenp} {fakeen}
Get {fakeen} {fakeenp} {ucl}
{scam}! {scamp}, {scamp}
{scam}, {scamp}
{scam} {scamp}. {scamp}
{scamp}, {scamp}, call {pen} now
{scam}: {scamp}, {cten}
{svcenp} {svcen} {cityen}
{svcen} {cityen}, {svcenp} {svcen} {cityen}, {svcen} {svcenp}
{svcen} in {cityen}, {svcenp}, call {pen}
{svcenp} {svcen} in {cityen} - {callen}
{svcen} | {svcenp} {svcen} | {svcen} {cityen}
{spell}, {spell}, {cten}
{spell} that works, {cten}
{callen}, {callen}!
{cten} {callen}
{emo}{callen}{emo} {cten} {emo}
{emo} {joben} {emo} {jobenp}
Use code {code} for {pct}% off
Was {money} Now {money} Save {pct}%
Only {d} left in stock, {callen}
Get {pct}% off your first order, {callen}
Free gift with every purchase, {callen}
Save up to {pct}% on {thingen}, {callen}
Ships within 24 hours, free returns
"""

ENGLISH_FRAME = """
{ben} is a staff writer covering {topic} and {topic}.
{ben} writes about {topic} for {outlet}.
{ben} is a freelance journalist based in {cityen}.
{ben} is the editor of {outlet}. Follow {ben} on Twitter.
You have {d} free articles left this month
Create a free account to continue reading
Already a subscriber? Log in
Already have an account? Sign in
Subscribe to read the full story
Support independent journalism
{shopword} {shopword} {shopword}
{shopword}
Customers who viewed this item also viewed
Frequently bought together
Was this page helpful? Yes No
Was this answer helpful? {n} people found this helpful
Report an error on this page
Listen to this article
Click to enlarge
Click to play video
Swipe to see more
Scroll down to continue
Story continues below
Jump to recipe Print recipe
Pin this recipe for later
Rate this recipe
Save for later
Show transcript Hide transcript
Editor's picks: {ten}
Don't miss: {ten}
Read next: {ten}
More from {outlet}: {ten}
Also in {topic}: {ten}
In case you missed it: {ten}
Sponsored by {outlet}
Presented by {outlet}
This post contains affiliate links
Get the best of {outlet} delivered every morning
Posts must not contain links, offers or insults, or they will be removed
Please keep comments civil and on topic
Be respectful; comments are moderated
Your browser is out of date. Please update it to use this site
This video is not available in your region
{n} points by {ben} {den} | hide | past | favorite
Reply Share Report Save
Level {d} member, joined {den}
Last edited by {ben}; {den}
Thread starter Start date Replies: {d} Views: {n}
You do not have permission to view attachments
{n} shares {n} likes {n} comments
Press Esc to close, Enter to search
Use the arrow keys to move between pages
Back to all posts
Submit a tip to {outlet}
Have a correction? Let us know
{naven}{navensep}{naven}{navensep}{naven}
{naven}{navensep}{naven}{navensep}{naven}{navensep}{naven}{navensep}{naven}{navensep}{naven}
{naven} {naven} {naven} {naven}
{naven} {naven}
{naven}
• {naven}
• {naven} {naven}
Home > {naven} > {naven}
You are here: Home > {naven} > {ten}
Skip to main content
Skip to navigation
Toggle navigation
Search for:
Search this site
Open menu Close menu
Share on Facebook Share on Twitter
Share this:
Share this article on Facebook, Twitter or by email
Click to share on {naven} (Opens in new window)
Click to email this to a friend
Share this story
Tweet this
Pin it
Copy link
Follow us on Twitter and Facebook
Follow @{id} on Twitter
Follow {ben} on Twitter @{id}
Like us on Facebook
Find us on Instagram
Subscribe to our {topic} newsletter
Sign up for our {topic} newsletter and never miss a story
Sign up for the {outlet} newsletter
Get the latest {topic} news delivered to your inbox
Get our top stories delivered every morning
Get {topic} updates by email
Enter your email address to subscribe
Enter your email
Subscribe now for {money} a month
Subscribe for full access
Subscribe via email
Already a subscriber? Log in
This article is for subscribers only
You have {d} free articles left this month
You have reached your article limit. Subscribe to continue reading.
Become a member and support our journalism
Support our work, donate today
Start your free trial
Download our app
Download the {outlet} app from the App Store and Google Play
Available on iOS and Android
Turn on notifications for breaking news
Disable your ad blocker to continue
Advertisement
Advertisement - story continues below
Story continues below
Article continues below this ad
Continue reading the main story
Scroll down for more
Sponsored by {outlet}
Sponsored: {ten}
Paid content
Promoted by {outlet}
Recommended by {outlet}
Ads by {outlet}
Report this ad
Related: {ten}
Related: {ten}; {ten}
RELATED: {ten}
MORE: {ten}
READ MORE: {ten}
READ: {ten}
WATCH: {ten}
Watch: {ten}
Read next: {ten}
Read more: {ten}
See also: {ten}
Also read: {ten}
Don't miss: {ten}
Up next: {ten}
Related Video: {ten}
VIDEO: {ten}
Related articles
Related stories
Related content
Related topics
More from {outlet}
More in {topic}
More on {topic}
More {topic} news
More stories
More like this
Most read in {topic}
Most popular
Most viewed
Top stories
Trending now
Trending
Latest news
Latest posts
Recent posts
Recent comments
Recommended for you
You may also like
You might be interested in
Editor's picks
Popular posts
Featured
Around the web
What to read next
Back to {naven}
Full article {ten}
Read full article
Read more »
Continue reading →
Learn more
View gallery
See all {topic} news
View all posts by {ben}
View comments
Show comments
{n} comments
{n} Comments
{n} shares
{n} views
{n}K likes
{n} Responses to “{ten}”
{d} thoughts on “{ten}”
Comments are closed
Comments (0)
Join the discussion
Join the conversation
Leave a comment
Leave a reply
Post a comment
Cancel reply
Be the first to comment
What do you think? Tell us in the comments below.
Log in to comment
You must be logged in to post a comment
Your email address will not be published. Required fields are marked *
Save my name, email, and website in this browser for the next time I comment.
Notify me of new comments via email.
This site uses Akismet to reduce spam. Learn how your comment data is processed.
Fill in your details below or click an icon to log in
Sort by newest oldest most liked
Reply Report Like Share
Reply
Report abuse
{outlet} moderates comments to keep the discussion civil
By {ben}
By {ben}, {outlet}
By {ben} {den}
{ben}, {outlet}
Written by {ben}
Posted by {ben} on {den}
Posted on {den} by {ben}
Posted in {topic}
Posted at {den}
Filed under: {topic}, {topic}
Tagged {topic}, {topic}, {topic}
Tags: {topic}, {topic}
Category: {topic}
Categories: {topic}, {topic}
Topics: {topic}
Published {den}
Updated: {den}
Last updated on {den}
First published on {den}
{den}
{den} | {topic}
{ben} is a staff writer at {outlet}. Reach her at {id}@example.com
{ben} is a reporter covering {topic} for {outlet}
{ben}, Senior Reporter, {topic}
Contact {ben} at {id}@{id}.com or follow on Twitter @{id}
Email {ben} at {id}@{id}.com
About the author
Reporting by {ben}; Editing by {ben}
Additional reporting by {ben}
{outlet} writers {ben} and {ben} contributed to this report
Our Standards: The Trust Principles
Photo: {ben}/{outlet}
Photo by {ben}
Photo credit: {ben} / {outlet}
(Photo by {ben}/{outlet})
(Image credit: {outlet})
Image: {outlet}
Image copyright {outlet}
Image source, {outlet}
Image caption {thingen} in {cityen}
FILE PHOTO: {thingen} in {cityen}. {outlet}/{ben}
Photograph: {ben}/{outlet}
Picture: {outlet}
{ben} / {outlet}
Courtesy of {outlet}
Hide caption Toggle caption
Got a tip? Email us at {id}@{id}.com
Have a news tip? Contact us
Send your story to {id}@{id}.com
Have you been affected? Get in touch
To reach the newsroom call {pen}
Copyright 2019 {outlet}. All rights reserved.
© 2021 {outlet}
© {outlet}. All Rights Reserved
Copyright {outlet}. This material may not be published, broadcast, rewritten or redistributed.
All rights reserved. Reproduction without permission is prohibited.
No part of this site may be reproduced without permission
Reprints and permissions
Use of this site constitutes acceptance of our User Agreement and Privacy Policy
Terms of Service and Privacy Policy apply
This site is protected by reCAPTCHA
We use cookies to improve your experience on our site
By using this site, you agree to our use of cookies
By continuing to browse the site you are agreeing to our use of cookies
By signing up you agree to our terms and privacy policy
Accept all cookies
Manage preferences
We and our partners store and access information on a device
Got it
I agree
This site is powered by {outlet}
Powered by WordPress
Theme by {outlet}
Website by {outlet}
This post may contain affiliate links
We may earn a commission when you buy through links on our site
As an affiliate we earn from qualifying purchases
This post is sponsored by {outlet}. All opinions are my own.
The information on this site is not intended as medical advice
For informational purposes only, not financial advice
Past performance does not guarantee future results
The views expressed in this article are those of the author and do not reflect those of {outlet}
The opinions expressed are the author's own
These statements have not been evaluated by the Food and Drug Administration
Quotes delayed at least 15 minutes
Market data provided by {outlet}
Please enable JavaScript to view this page
Your browser does not support the video tag
Please upgrade your browser
Loading...
Loading comments
Print this page
Print Email Font size
Email this article
Send to a friend
Add to cart
Add to wishlist Compare
Quick view
In stock
SKU: {qq}
Free shipping on orders over {money}
Rated {d} out of 5
{n} customer reviews
Write a review
« Previous Next »
« Older posts
Previous post: {ten}
Next article: {ten}
Page {d} of {n}
1 2 3 4 5 Next
Back to top
Return to homepage
Close
Dismiss
Thank you for subscribing
Change language English Español Français
Select edition US UK Australia
Contact: {pen} {id}@{id}.com
{n} Main Street, {cityen} Tel: {pen} Fax: {pen}
Follow {outlet} on social media
Support independent journalism. Become a member today
You've reached your limit of free articles
Monday to Friday, {den} Last modified on {den}
{outlet} {outlet} {topic} Newsletters
{n} people are viewing this right now
{pos} {blogen}! {fcen}
{pos} {blogen}, {fcen}.
{fcen}. {fcen}
{fcen}
Hello there, {fcen}, {fcen}
Hi! {fcen}. {pos} {blogen}!
Wow, {pos} {blogen}. {fcen}
Thanks for the {pos} {blogen}, {fcen}
I found this {blogen} {pos}, {fcen}
This is a really {pos} {blogen}. {fcen}!
Hey guys, {fcen}, thanks
"""

# Sentences about the same matters that are no advertising.
CHINESE_TOPICS = [
    "{bet}",
    "{casino}",
    "{adult}",
    "{cert}",
    "{inv}",
    "{loan}",
    "{job}",
    "{stock}",
    "{ill}",
    "{sexpill}",
    "{slim}",
    "{hack}",
    "{seo}",
    "{fans}",
    "{game}",
    "{fake}",
    "{essay}",
    "{svc}",
    "{prod}",
    "{luck}",
    "{surro}",
    "{good}",
    "{nav}",
    "{thing}",
]
CHINESE_ARTICLE = """
活动将于下月在{city}举行，市民可以到现场报名参加。
学校今年的{t}课程报名人数比去年增加了{n}人。
主办方表示，获得一等奖的作者将得到奖金{n}元和证书。
会员可以在图书馆免费阅读这些书，也可以借回家看。
他转发了这条消息以后，有{n}位朋友留言表示支持。
商店开业那天，老板给前{n}名顾客送了一份小礼物。
我们带孩子参加了夏令营，第一天就学会了搭帐篷。
读者可以到书店购买，也可以在网上下载电子版。
发布虚假{t}信息的人，将被追究法律责任。
按回车键可以换行，按方向键可以移动光标。
他在会上提出，应当加强对{t}广告的管理。
这家培训机构因为{t}问题被家长投诉。
开通这项服务以后，用户可以随时查看自己的账单。
警方近日破获一起涉及{t}的案件，抓获犯罪嫌疑人{n}名，涉案金额达{n}万元。
法院审理认为，被告人以{t}为名骗取他人财物，其行为已构成诈骗罪。
根据有关规定，从事{t}活动必须取得许可，否则将被处以罚款。
专家提醒，{t}存在较大的风险，市民应当谨慎对待，不要轻信宣传。
研究人员对{n}名参与者进行了调查，发现{t}与年龄有一定的关系。
{t}的历史可以追溯到十九世纪，当时只在少数地区流行。
医生表示，{t}需要根据患者的具体情况来判断，不能一概而论。
近年来，{t}的发展引起了社会的广泛关注，也带来了不少问题。
所谓{t}，是指在一定条件下形成的一种现象，它的特点比较明显。
记者了解到，当地有关部门已经对{t}市场展开整顿，取得了初步成效。
很多人对{t}存在误解，认为它没有什么用处，其实并不是这样。
他说自己年轻的时候也接触过{t}，后来就再也没有兴趣了。
这部小说以{t}为背景，讲述了一个普通家庭的故事。
如果需要办理{t}相关的手续，请携带本人身份证到窗口提交材料。
去年我国{t}的市场规模达到{n}亿元，同比增长{pct}%。
患者男，{n}岁，因{t}就诊，经检查后给予药物治疗。
在{t}这个问题上，双方的意见并不一致，谈判持续了{n}天。
税务部门指出，{t}必须如实申报，虚开的将依法追究责任。
用户可以在设置中关闭{t}，也可以选择在启动时自动打开。
选中该选项以后，点击“{nav}”按钮，就可以查看{t}的详细信息。
在搜索框里输入“{t}”，系统会显示相关的结果列表。
双色球第{d}{d}{d}期开出{n}注一等奖，{t}公益金用于资助困难学生。
你好，{t}一般建议到正规医院做检查，明确原因以后再进行治疗。
妈妈说微信上的{t}都不可信，让我把那个联系人删除了。
公司去年在{t}方面投入了{n}万元，今年还会继续增加。
老师在课堂上讲解了{t}的原理，同学们听得很认真。
本文研究了{t}的影响因素，并提出了相应的对策和建议。
{t}是什么意思？它和普通的产品有什么区别？
小明花了{n}元买{t}，还剩下{n}元，他原来有多少元？
关于{t}的说明
{t}的定义和分类
什么是{t}
"""
ENGLISH_TOPICS = [
    "{beten}",
    "{adulten}",
    "{pill}",
    "{loanen}",
    "{joben}",
    "{coin}",
    "{seoen}",
    "{fakeen}",
    "{svcen}",
    "{spell}",
    "{naven}",
    "{thingen}",
    "{topic}",
    "{blogen}",
    "{callen}",
]
ENGLISH_ARTICLE = """
The winner of the contest received {money} and a trip to {cityen}.
Members of the club may use the pool for free on weekdays.
She shared the picture with her friends, and {n} of them wrote back.
The shop gave a small gift to the first {n} customers on its opening day.
He had been a staff writer at the paper for {n} years before he retired.
Press the Enter key to begin a new line, and use the arrow keys to move the cursor.
They signed up for the summer camp because their cousins had gone the year before.
The newspaper asked its readers to send in their memories of the old bridge.
My husband came back after {n} days at sea, tired and happy.
The survey asked {n} subscribers how often they read the magazine.
Police arrested {n} people last week in connection with an illegal {t} scheme, officials said.
Researchers found that {t} was more common among people who were younger than {n}.
The law requires that anyone who offers {t} must hold a licence from the regulator.
In the nineteenth century, {t} was known only in a few towns along the coast.
The doctor warned that {t} can be dangerous for patients with heart disease.
She said that {t} had changed the way in which her family lived and worked.
According to the report, the market for {t} grew by {pct} percent in 2019.
A study of {n} patients showed that {t} had no effect on the outcome.
The court ruled that the company had misled customers about {t}.
The novel tells the story of a man who loses everything because of {t}.
Many people believe that {t} is harmless, but the evidence suggests otherwise.
He spent {money} on {t} and had {money} left, so how much did he have at first?
Critics say that {t} should be banned, while others want stricter rules.
The term {t} refers to a practice that is described in chapter {d}.
If you select {t}, the program opens a window in which you can change the settings.
Click the {naven} button to see a list of all entries that mention {t}.
You can use the {naven} menu to search for {t} in the current document.
The committee discussed {t} for more than two hours before it voted.
They were not interested in {t}, and neither were their friends.
Enter your password and choose whether the {naven} page should be shown at start.
This chapter explains how {t} works and what to do when it fails.
We visited the museum, where an exhibition about {t} is open until May.
The agency recommends that consumers report any offer of {t} that looks suspicious.
The company sells {t} online and offers delivery in most of Europe.
Sure, I can come home early and we can talk about {t} then if you like.
What is {t}
History of {t}
The role of {t} in society
"""
