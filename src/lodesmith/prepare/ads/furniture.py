"""Lines that belong to the page and not to its text: buttons, footers, credits, teasers, comments.

Source: the C4 rule that drops lines asking for Javascript (Raffel et al., arXiv:1910.10683,
section 2.2); the lists are our own.
"""

import re

_BUTTON = (
    r"(?:share|tweet|like|follow us|pin it|print|e-?mail|save|subscribe|sign up|sign in|"
    r"log ?in|log out|"
    r"register|read more|learn more|back to top|prev|next|previous|home|up|top|menu|search|"
    r"close|skip|reply|"
    r"advertisement|advertise|sponsored|loading|facebook|twitter|x|linkedin|whatsapp|pinterest|"
    r"reddit|instagram|"
    r"youtube|telegram|copy link|comments?|leave a comment|no comments|archives?|categories|"
    r"tags|blog|news|faq|help|"
    r"about|contact|products?|services|support|careers|jobs|download|gallery|forum|shop|store|"
    r"cart|my account|"
    r"checkout|wishlist|add to cart|view all|see all|show more|load more|rss|newsletter|"
    r"terms of (?:use|service)|terms (?:and|&) conditions|terms|privacy policy|privacy|"
    r"cookie policy|cookies|"
    r"contact us|about us|our team|site ?map|accessibility|disclaimer|"
    r"上一[页篇章条步]|下一[页篇章条步]|起始页|首页|尾页|末页|登[录入]|注册|打印|收藏|分享|"
    r"点赞|评论|关闭|关闭窗口|退出|"
    r"返回顶部|回到顶部|返回首页|返回列表|返回|查看更多|查看全部|阅读全文|加载更多|更多|广告|"
    r"网站地图|联系我们|关于我们|设为首页|加入收藏|"
    r"新闻|国内|国际|社会|娱乐|体育|财经|科技|军事|汽车|房产|教育|健康|时尚|视频|图片|论坛|"
    r"博客|社区|搜索|客户端|手机版|电脑版|"
    r"公司简介|公司新闻|新闻中心|产品中心|产品展示|行业动态|行业新闻|成功案例|人才招聘|"
    r"在线留言|服务项目|技术支持|友情链接|"
    r"隐私政策|服务条款|用户协议|使用条款|法律声明|版权声明|免责声明|帮助中心|常见问题|"
    r"意见反馈|投诉建议|广告服务|商务合作|加入我们|"
    r"首頁|登錄|註冊|關於我們|聯絡我們|網站地圖|隱私權政策|回到頂端|分享到|上一頁|下一頁|更多|"
    r"搜尋|"
    r"微博|微信|qq空间|朋友圈|豆瓣|人人网|举报|复制链接|字号|大中小|小中大|收起|展开|展开全文|"
    r"目录|正文)[.…]*"
)
_GAP = r"[\s|/·•»«<>›→,&\-–—_]+"
BUTTON = re.compile(_BUTTON, re.IGNORECASE)
# A button of several words is one wherever it stands.
LONG_BUTTON = re.compile(r"\w+ \w[\w ]+|[\u4e00-\u9fff]{4,}")
STRONG = re.compile(
    rf"{_BUTTON}(?:{_GAP}{_BUTTON})+(?:{_GAP})?|"
    rf"(?:当前位置|您的位置|您现在的位置|你的位置|所在位置|目前位置|位置|"
    rf"you are here)\s?[:：].{{0,120}}|"
    rf"(?:首页|home|首頁|主页)\s?(?:[>›»→/]|->|::)\s?.{{1,100}}|"
    r"advertisements?(?: ?[-–—] ?.{1,40})?|sponsored(?: content)?|loading[.… ]*|【?广告】?|"
    r"last (?:updated|modified)(?: on| at)?:?\s.{4,40}|(?:您|你)?(?:当前|现在|"
    r"目前)?所?在?的?位置\s?[:：].{0,120}|"
    r"(?:click here|skip to (?:main )?content|follow us on .{0,60}|like us on .{0,60})[.!]?|"
    r"share (?:this )?(?:page |post |article |story )?(?:on|via|to|with)?:? .{0,60}|"
    r"share this(?: \w+)?[.:!]?|"
    r"(?:分享到|分享至|转发到|转载请注明|转载请|点击关注|扫码关注|扫一扫|长按识别|长按二维码|"
    r"识别二维码|关注我们|关注微信|微信扫).{0,80}|"
    r"字体[:：]?\s*大[\s|]*中[\s|]*小|字号[:：].{0,20}|点击查看更多.{0,10}|\[?(?:打印|"
    r"关闭)\]?(?:本页|窗口)?|"
    r"【(?:打印|关闭|字体|收藏|返回|大|中|小).{0,30}】|"
    r"(?:上一|下一|前一|后一)[页篇章条则][:：]\s?.{1,100}|(?:previous|next|older|"
    r"newer) (?:post|article|entry|story|page)s?\b.{0,80}|"
    r"«.{1,80}|.{1,80}»|page \d+ of \d+|第\s?\d+\s?页\s?[/共].{0,20}|共\s?\d+\s?页.{0,40}|"
    r"(?:\d+|«|»|…|\.\.\.|<|>|next|prev|下一页|上一页)(?:\s+(?:\d+|…|\.\.\.|next|last|›|»|"
    r"下一页|尾页|末页)){3,}",
    re.IGNORECASE,
)
# Credits, notices and calls of editors and shops, each a whole line.
NOTICE = re.compile(
    r"[（(\[【]?\s?(?:原标题|原题为?|图源|题图|配图|供图|摄影|图文|文图|撰文|转自|摘自|选自|"
    r"整理|校对|审核|监制|值班|主编|图|文)\s?[:：|丨/《].{0,40}|"
    r"(?:责任?编辑|编辑|责编|作者|记者|通讯员|见习记者|实习生)[\s|丨/:：]{1,3}.{1,24}|图源.{0,"
    r"12}侵删.{0,6}|.{0,16}侵删.{0,10}|"
    r"[（(【\[<—-]*\s?(?:完|全文完|未完待续|本文完|the end|end)\s?[）)】\]>—-]*|"
    r".{0,20}(?:内容|信息|资料|数据|观点|建议)?.{0,4}仅供参考.{0,40}|.{0,"
    r"60}不构成(?:任何|实质性|具体)?(?:投资|医疗|法律).{0,30}|"
    r".{0,24}(?:点个?在看|点个赞|点亮在看|一键三连|素质三连|转发给(?:好友|朋友|更多)|"
    r"分享给(?:好友|朋友|更多)).{0,24}|"
    r".{0,100}仅提供信息存储(?:空间)?服务.{0,10}|notice: the content above .{0,200}|"
    r"用户名[:：]?\s.{0,20}密码.{0,40}|忘记密码.{0,20}|"
    r"(?:公司|单位|联系|报社|编辑部)?地址\s?[:：].{2,60}|(?:邮编|传真|邮箱|电子邮箱|e-?mail|"
    r"电话|联系人|手机|投稿邮箱|新闻热线|服务热线)\s?[:：].{2,80}|"
    r"(?:主办|承办|协办|主管|指导|支持|建设|维护|版权)(?:单位|方)?\s?[:：].{2,80}|(?:本站|"
    r"本网站?|网站)由.{2,30}(?:提供|制作|维护|建设|运营).{0,20}|"
    r"\d{1,2}小时.{0,6}(?:排行|热文|热榜|热点).{0,8}|.{0,8}(?:排行榜|热搜榜|点击榜)|"
    r"大家都在搜.{0,30}|精彩(?:图集|图片|组图|视频)|"
    r"发表于\s?\d{4}.{0,60}|(?:楼主|lz)\s?[|丨].{0,60}|只看(?:该作者|楼主).{0,30}|.{0,"
    r"20}举报.{0,4}回复.{0,20}|"
    r"tweet this|share via.{0,30}|share it.{0,40}|report (?:abuse|this.{0,20}|ad)|"
    r"be the first to.{0,40}|like (?:this|what you)[^.]{0,30}\?.{0,80}|"
    r"(?:want|looking for) more.{0,40}\?.{0,60}|(?:have|got) (?:a|any) (?:tip|story|news|"
    r"question)s?.{0,20}\?.{0,80}|join (?:our|the) .{0,30}(?:list|newsletter|community|group|"
    r"channel).{0,60}|"
    r".{0,80}\b(?:to|in) your inbox\b.{0,60}|this (?:article|story|post|piece|content).{0,"
    r"20}(?:originally|first) (?:published|appeared|posted).{0,100}|"
    r".{0,30}(?:reproduction|redistribution|reproduced|reprinted).{0,80}(?:prohibited|"
    r"permission|consent).{0,40}|editor'?s note\s?[:–-].{0,200}|"
    r"(?:last )?(?:updated|modified|published|posted)\s?[:,]?\s(?:on |at )?(?:\d|mon|tue|wed|"
    r"thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec).{0,60}|"
    r"by .{3,40},? (?:.{0,20} )?(?:writer|reporter|editor|correspondent|contributor|"
    r"columnist)s?\b.{0,40}|"
    r"(?:photo(?:graph)?|image|picture|video|illustration|graphic|cover)s?\s?(?:credits?|by|"
    r"courtesy(?: of)?|via|source)?\s?[:/]\s?.{0,60}|"
    r"(?:photo(?:graph)?|image|picture|video|illustration|graphic)s? (?:by|courtesy(?: of)?|"
    r"via) [^.]{0,60}|"
    r"(?:main|mobile|site|primary) menu|(?:toggle|jump to|skip) (?:the )?(?:navigation|menu|"
    r"content|search)|add (?:to|a) (?:cart|wishlist|bag|favou?rites|list|comment|review).{0,10}|"
    r"(?:use|with) (?:promo |coupon |discount )?code .{2,20}(?:off|discount|save|free|"
    r"checkout).{0,40}|we may (?:earn|receive|get).{0,60}(?:commission|compensation|fee).{0,80}|"
    r"(?:the )?(?:views|opinions)(?: and (?:views|opinions))? (?:expressed|presented|"
    r"in this).{0,160}|(?:tel|telephone|phone|fax|mobile|call us|e-?mail|"
    r"contact(?: us)?)\s?[:.]\s?.{3,60}|"
    r"all (?:content|material|text|images|photos|trademarks).{0,60}(?:property|copyright|owned|"
    r"trademarks?).{0,80}|(?:this )?(?:web ?site|site|page|theme)?\s?(?:design(?:ed)?|"
    r"developed|hosted|built|created|maintained|powered) by .{2,40}|"
    r"privacy (?:settings|preferences|notice|statement)|(?:manage )?(?:cookie|"
    r"consent) (?:settings|preferences|policy)|do not sell.{0,40}|your (?:cart|basket|"
    r"bag) is .{0,20}|"
    r"(?:related )?topics?\s?:.{0,100}|more (?:in|on|about) .{2,30}|(?:article|"
    r"story) continues.{0,40}|(?:free|fast) (?:shipping|delivery).{0,60}|"
    r"by (?:clicking|signing up|submitting|subscribing|registering).{0,40}you (?:agree|accept|"
    r"consent).{0,120}|(?:please )?(?:log|sign) ?in (?:to|or|with).{0,60}",
    re.IGNORECASE,
)
# By a word without which no line matches the rule.
_BY_KEYWORD = {
    "cookie": r"(?:.{0,40}\b)?(?:we|this (?:web)?site|our (?:web)?site|this page|"
    r"this service) uses? (?:\w+ ){0,3}cookies\b.{0,240}|.{0,40}\b(?:accept|reject|allow|"
    r"manage) (?:all |your )?cookies\b.{0,60}|.{0,30}(?:本网站|我们|本站)使用.{0,6}cookies?.{0,"
    r"80}|by (?:continuing|using).{0,120}cookies.{0,100}",
    "javascript": r".{0,60}\b(?:enable|turn on|requires?|without) javascript\b.{0,80}|.{0,"
    r"20}(?:请|需要).{0,4}(?:启用|开启)\s?javascript.{0,40}",
    "copyright": r"copyright\s?(?:©|\(c\))?.{0,12}\b(?:19|20)\d\d\b.{0,160}|copyright ?(?:©|"
    r"\(c\)).{0,120}",
    "©": r".{0,40}©.{0,20}\b(?:19|20)\d\d\b.{0,160}|(?:copyright\s?)?©.{0,80}",
    "rights reserved": r".{0,160}all rights reserved\b.{0,100}",
    "版权所有": r".{0,60}版权所有[^。]{0,100}|.{0,40}版权所有.{0,30}(?:转载|违者|侵权|必究).{0,"
    r"40}",
    "icp": r".{0,80}icp\s?[备证号].{0,60}",
    "备案": r".{0,20}备案(?:号|编号|序号)[:：].{0,60}",
    "公网安备": r".{0,40}公网安备.{0,60}",
    "许可证": r".{0,20}许可证(?:号|编号)?[:：].{0,80}",
    "转载": r"(?:[本如凡欢版请特【（(\[].{0,40})?(?:转载|轉載)(?:请|請|时|需|须|务必|必须|本文|"
    r"自[:：]).{0,120}|(?:.{0,20}[，。] ?)?(?:未经|未經|未得).{0,24}(?:不得|禁止|严禁|谢绝|"
    r"请勿).{0,8}(?:转载|轉載|复制).{0,60}|(?:禁止|谢绝|严禁|请勿)(?:任何.{0,6})?(?:转载|"
    r"复制).{0,60}|.{0,10}本文.{0,12}转载.{0,60}",
    "免责声明": r"[【\[（(]?免责声明[】\]）)]?(?:[:：].{0,400}|)",
    "声明": r"[【\[]?(?:特别声明|版权声明|郑重声明|本站声明|法律声明|声明)[】\]]?[:：].{0,400}",
    "不代表本": r".{0,120}不代表本(?:站|网|平台|人|刊|报).{0,160}",
    "联系我们删除": r".{0,200}联系(?:我们|本站|站长).{0,10}删除.{0,60}",
    "侵权": r".{0,160}(?:如有|若有|如果?涉及?|涉嫌|如).{0,10}侵权.{0,12}(?:请.{0,8}(?:联系|"
    r"告知|通知)|联系(?:我|本站|作者|小编|删)|告知|立即删|速删|必删|删除?$).{0,60}",
    "责任编辑": r"[（(\[【]?\s?责任编辑.{0,40}",
    "編輯": r"[（(\[【]?\s?(?:責任編輯|編輯)[:：].{0,30}",
    "编辑": r"[（(\[【]?\s?(?:本文|本期|执行|值班|网络|文字|视觉)?编辑\s?[:：/].{0,30}|"
    r"[（(\[【]编辑.{0,16}[）)\]】]",
    "来源": r"[（(\[【]?\s?(?:本文|文章|稿件|图片|信息|新闻|内容)?(?:来源|出处)\s?[:：]\s?.{0,"
    r"60}|.{0,30}来源[:：].{0,20}(?:作者|时间|日期|点击|浏览).{0,60}",
    "作者": r"(?:本文)?作者[:：]\s?.{0,20}(?:\s(?:来源|时间|发布|日期|浏览|编辑)[:：].{0,50})|"
    r".{0,40}(?:时间|日期)[:：].{0,40}作者[:：].{0,30}",
    "发布": r"(?:发布|更新)(?:时间|日期|于)\s?[:：]?\s?\d.{0,60}|.{0,30}发布者[:：].{0,60}",
    "浏览": r".{0,30}(?:浏览|阅读|点击|查看)(?:次数|量|数)?\s?[:：(（]\s?\d+.{0,30}|"
    r"\d+\s?(?:次浏览|人浏览|次阅读).{0,20}",
    "阅读": r".{0,30}(?:阅读|点击|人气)(?:次数|量|数)?\s?[:：(（]\s?\d+.{0,30}|"
    r"阅读\s?\d+\s?(?:评论|赞).{0,20}",
    "标签": r"(?:文章|本文|热门|相关)?标签\s?[:：].{0,120}",
    "关键词": r"(?:本文|相关|热门)?关键词\s?[:：].{0,160}",
    "友情链接": r".{0,4}友情链接.{0,200}",
    "二维码": r".{0,40}(?:扫描|扫一扫|扫|识别|长按|关注).{0,20}二维码.{0,60}",
    "公众号": r"(?:请|欢迎|更多.{0,20}|.{0,12}[，,] ?)?(?:请)?(?:关注|搜索|扫码?|订阅|添加).{0,"
    r"30}公众号.{0,60}|.{0,10}(?:微信)?公众号[:：].{0,40}",
    "app": r"(?:点击|立即|扫码|马上)?下载.{0,12}(?:app|客户端).{0,40}|(?:get|download) (?:our|"
    r"the) (?:free )?(?:mobile )?app\b.{0,80}",
    "登录": r".{0,20}(?:请|您需要|你需要|您必须|需要)(?:先)?登录.{0,40}|登录后.{0,30}|.{0,"
    r"12}后才能(?:评论|回复|发表).{0,20}",
    "评论": r"(?:发表|我要|添加|查看|网友|最新|全部|热门|已有|暂无|共有?)\s?\d*\s?(?:条|篇|"
    r"个)?\s?评论.{0,30}|评论\s?[(（]\d+[)）].{0,20}|.{0,30}文明上网.{0,60}",
    "回复": r"(?:回复|回覆)\s?(?:\d+楼|楼主|@\S+|[(（]\d+[)）])?[:：]?|.{0,30}发表回复.{0,30}|"
    r"\d+\s?(?:条)?回复.{0,20}",
    "举报": r".{0,10}(?:违法和不良信息|有害信息)?举报(?:电话|邮箱|热线|中心)[:：]?.{0,60}",
    "subscribe": r"(?:please |don't forget to |like and |to )?subscribe (?:to|for|now|today|"
    r"here|via)\b.{0,160}",
    "newsletter": r"(?:please |to )?(?:subscribe|sign up|join|get|receive|delivered).{0,"
    r"60}\bnewsletters?\b.{0,160}|.{0,40}\b(?:our|free|daily|weekly)(?: \w+)? newsletters?[.!]?",
    "sign up": r"(?:please )?sign up (?:for|to|now|here|today|with|below)\b.{0,160}",
    "log in": r".{0,40}(?:must be logged in|log in (?:to|or)|please log in|login to).{0,80}",
    "logged in": r".{0,40}must be logged in.{0,80}",
    "click here": r"click here\b.{0,120}|.{0,60}\bclick here[.!]?",
    "email address": r".{0,20}your email address.{0,120}|enter your email.{0,100}",
    "leave a": r"leave a (?:reply|comment|message)\b.{0,60}",
    "comment": r"\d+ comments?\b.{0,40}|(?:view|show|post|add|read|write)(?: all| a|"
    r" your)?(?: \d+)? comments?\b.{0,40}|comments? (?:are|is) closed.{0,40}|"
    r"comments? ?\(\d+\)|comments?:",
    "posted": r"posted (?:by|in|on|under|at)\b.{0,100}|(?:published|written|filed|"
    r"tagged) (?:by|on|under|with)\b[^.]{0,60}",
    "filed under": r"filed under.{0,100}",
    "tags": r"tags?\s?:.{0,160}",
    "tagged": r"tagged(?: with)?:?.{0,120}",
    "photo": r"(?:photo|image|picture)s? (?:credit|courtesy|by|source)s?\b.{0,80}",
    "views": r"[\d,.]+k? views\b.{0,40}|views:\s?\d.{0,20}",
    "reprint": r".{0,60}(?:may not be|no part).{0,30}(?:reproduced|republished|reprinted).{0,160}",
    "reproduc": r".{0,80}(?:may not be|no part).{0,60}(?:reproduced|republished|"
    r"redistributed).{0,160}",
    "affiliate": r".{0,120}\b(?:may|contains?|earn|use|includes?)\b.{0,"
    r"40}\baffiliate (?:links?|commissions?).{0,160}",
    "disclaimer": r"disclaimer\s?[:.-].{0,500}",
    "advice": r".{0,160}not (?:\w+ )?(?:constitute|intended as|be construed as|"
    r"intended to be) (?:\w+ ){0,4}(?:advice|endorsement|recommendation).{0,240}",
    "informational purposes": r".{0,160}for (?:general )?informational purposes only.{0,240}",
    "powered by": r"(?:proudly )?powered by .{0,60}|.{0,60}\bpowered by (?:wordpress|discuz|"
    r"dedecms|phpwind|drupal|blogger)\b.{0,40}",
    "read more": r"read more\b.{0,100}|.{0,100}\bread more\s?[.…»>]*",
    "continue reading": r"continue reading\b.{0,100}|.{0,100}continue reading\s?[.…»>→]*",
    "contributed": r".{2,200}\bcontributed (?:reporting )?to this (?:report|story|article|piece)\b"
    r".{0,60}|.{2,120}\bcontributed reporting\b.{0,60}",
    "reporting": r"[(\[]?(?:with )?(?:additional )?reporting (?:by|from) .{3,240}",
    "editing by": r"[(\[]?(?:\w+ )?editing by .{3,160}",
    "image": r"image (?:copyright|caption|source)\b.{0,80}|image \d+ of \d+",
    "retrieved": r"citation: .{10,240} retrieved .{4,160}",
    "subject to copyright": r".{0,60}\b(?:is|are) subject to copyright\b.{0,240}",
    "correction": r"to (?:suggest|report|request) (?:a|any) corrections?\b.{0,100}",
    "advertise": r"(?:want|wish|looking) to advertise\b.{0,80}|advertise (?:with us|here)\b.{0,60}",
    "journalism": r"(?:please )?(?:donate|support|contribute|help (?:us|fund)|become a "
    r"(?:member|supporter|subscriber))\b.{0,80}\bjournalism\b.{0,120}",
    "follow": r"(?:follow|like|find) (?:@?[\w.'’-]+ ){1,5}(?:[(@\w)]+ )?on (?:twitter|facebook|"
    r"instagram|linkedin|youtube|tiktok|pinterest)\b.{0,240}",
    "email": r"e-?mail (?:[\w.'’-]+ ){1,4}at \S+@\S+.{0,200}",
    "reach": r"(?:reach|contact) (?:[\w.'’-]+ ){1,5}(?:at|on|via|by) (?:\S+@\S+|twitter|e-?mail)"
    r".{0,160}",
    "min read": r".{0,40}\b\d+ min(?:ute)?s? read\b.{0,40}",
    "本文由": r"[（(\[【]?本文由.{1,30}(?:发布|整理|提供|编辑|原创|撰写|授权).{0,30}",
}
RULES = {word: re.compile(rule, re.IGNORECASE) for word, rule in _BY_KEYWORD.items()}

# Who wrote it, as its last lines say.
AUTHOR = re.compile(
    r"[\w.'’ -]{4,60} is (?:an?|the|our) (?:[\w'’.-]+,? ){0,6}(?:reporter|writer|journalist|editor|"
    r"columnist|correspondent|contributor|photographer|producer)s? (?:for|at|with|covering|based|"
    r"who covers|who writes)\b.{0,400}",
    re.IGNORECASE,
)

# A line that begins a list of other pages.
TEASER = re.compile(
    r"[【\[■▌●◆▶>#*\s]*(?:相关(?:阅读|文章|新闻|推荐|链接|内容|资讯|专题|报道|信息|产品|帖子|"
    r"视频)|推荐(?:阅读|文章|新闻|内容|视频|资讯)|"
    r"热门(?:文章|推荐|新闻|阅读|资讯|标签|排行|话题)|最新(?:文章|新闻|资讯|推荐|评论|动态|"
    r"发布)|猜你(?:喜欢|感兴趣|也喜欢)|您?可能(?:还)?(?:喜欢|感兴趣)(?:的.{0,6})?|"
    r"你可能(?:还)?(?:也)?(?:喜欢|感兴趣|想看)(?:的.{0,6})?|延伸阅读|更多(?:精彩|相关|阅读|"
    r"文章|新闻|推荐|内容|资讯)(?:内容|文章|新闻|推荐|阅读)?|"
    r"精彩(?:推荐|阅读|回顾|图文)|大家(?:都)?在看|看过本文的(?:人)?还(?:看|喜欢).{0,8}|"
    r"编辑推荐|今日(?:头条|推荐|热点)|点击排行|阅读排行|本周热门|往期(?:精选|回顾|推荐)|"
    r"友情链接|合作伙伴|站内推荐|随机(?:文章|阅读|推荐)|相關(?:閱讀|文章|新聞|連結)|推薦閱讀|"
    r"延伸閱讀|猜你喜歡|熱門文章|"
    r"related (?:articles?|posts?|stories|news|content|links|reading|topics|products|videos)|"
    r"recommended(?: (?:for you|articles?|reading|posts?|stories|videos))?|"
    r"(?:you )?(?:may|might) (?:also )?(?:like|enjoy|be interested in)(?: these.{0,12})?|"
    r"you(?:'ll| will) also like|"
    r"more (?:from|in|on|stories|articles|posts|news|like this)\b.{0,40}|read (?:next|also|"
    r"this next)|see also|also read|"
    r"popular (?:posts?|articles?|stories|now|tags)|most (?:read|popular|viewed|shared|"
    r"commented)(?: \w+)?|trending(?: now| stories| topics)?|"
    r"latest (?:news|posts?|articles?|stories|updates)|recent (?:posts?|articles?|comments?|"
    r"news)|featured (?:posts?|articles?|stories)|"
    r"editor'?s? picks?|don'?t miss|top stories|up next|what to read next|from around the web|"
    r"sponsored (?:content|links|stories)|"
    r"people also (?:read|viewed|ask)|customers also (?:bought|viewed)|similar (?:posts?|"
    r"articles?)|further reading)"
    r"[】\]:：\s>»….]*(?:更多|more)?[>»]*",
    re.IGNORECASE,
)
# The same with its first title on the same line.
TEASER_LINE = re.compile(
    r"(?:相关(?:阅读|文章|新闻|链接|报道)|推荐阅读|延伸阅读|猜你喜欢|热门推荐|"
    r"更多精彩(?:内容)?|精彩推荐|"
    r"related(?: articles?| posts?| stories| news)?|read (?:also|next|more)|see also|also read|"
    r"you (?:may|might) (?:also )?(?:like|enjoy)|"
    r"recommended(?: for you| reading)?|more (?:from|on|in) [\w ]{2,30}|don'?t miss|"
    r"trending)\s?[:：|»>].{1,160}",
    re.IGNORECASE,
)
# A line that begins the readers' comments, up to the end of the page.
COMMENTS = re.compile(
    r"(?:网友|用户|读者|最新|热门|全部|精彩)(?:评论|留言|跟帖|点评)(?:区|"
    r"列表)?\s?(?:[(（]?\d*\s?条?[)）]?)?[:：]?|"
    r"(?:评论|留言|跟帖)(?:区|列表)?\s?(?:[(（]?\d*\s?条?[)）]?)?|网友(?:评论|热评|跟帖).{0,12}|"
    r"(?:\d+ )?(?:comments?|responses?|replies|thoughts?)(?: \(\d+\))?(?: (?:to|on) .{1,"
    r"80})?[:.]?|leave a (?:reply|comment).{0,20}|join the (?:conversation|discussion).{0,20}|"
    r"(?:user|reader|customer) (?:comments?|reviews?)(?: \(\d+\))?:?|what do you think\?.{0,20}",
    re.IGNORECASE,
)
FAKE_COMMENT = re.compile(
    r"(?:\S{1,16}\s?[:：]\s?)?(?:(?:沙发|前排围观|前排(?:占座|留名|支持)|lz(?:威武|好人|辛苦)|"
    r"楼主威武|感谢楼主|无私分享|顶起来?|mark一下|码住|先收藏|先马后看|好人一生平安|转走了|"
    r"说得(?:对|好)|板凳|地板|前排|抢沙发|顶+|顶一?下|顶楼主|支持一?下|支持楼主|路过|路过看看|"
    r"飘过|打酱油|mark|马克|签到|灌水|学习了|受教了|收藏了|已收藏|好文章?|好文要顶|好帖|好贴|"
    r"不错不错|真不错|写得(?:真|很|太)?(?:好|不错|棒)|文章(?:写得)?(?:很|真)?(?:好|不错|棒)|"
    r"楼主(?:好人|辛苦了?|威武|太强了|一生平安|加油)|谢谢(?:楼主|分享|博主|作者)|感谢(?:楼主|"
    r"分享|博主|作者)|多谢(?:楼主|分享)|(?:很|非常)?(?:有用|实用)|赞一?个?|点赞|给力|太棒了|"
    r"厉害了?|牛逼?|强+|哈哈+|呵呵+|6{2,}|占楼|留名|前来围观|围观|坐等更新|回复(?:可见|看看|"
    r"下载))(?:谢谢|感谢|支持|学习了?|顶|分享|楼主|收藏|不错|好人|一生平安|啊|哈|呀|了|的|吧|"
    r"呢)*[!！~～。.,，、…\s]*)+|(?:(?:wow|hi|hello|hey|yes|thanks?(?: you)?|great|nice|"
    r"awesome|amazing|good|excellent|fantastic|wonderful|very (?:nice|good|useful|informative|"
    r"helpful)|really (?:nice|good|great|helpful|useful)|useful|informative|interesting|superb|"
    r"lovely)[,!.]?\s){0,3}(?:(?:this (?:is|was) )?(?:an? |your |such an? )?(?:very |really |"
    r"so )?(?:great|nice|awesome|amazing|good|excellent|fantastic|wonderful|useful|informative|"
    r"helpful|interesting|superb) (?:post|article|blog|blog post|site|website|info|information|"
    r"read|share|sharing|job|work|content|stuff|write-?up|page)|thanks? (?:you )?(?:so much |"
    r"a lot |very much )?for (?:sharing|the (?:info|information|post|article)|this|posting|"
    r"writing)|keep (?:up the good work|it up|posting|sharing|writing)|i (?:really |"
    r"just )?(?:love|like|enjoy(?:ed)?|appreciate) (?:your|this|the) (?:blog|post|article|site|"
    r"website|content|work))\b.{0,160}|(?:.{0,20}\b(?:i (?:just |have )?(?:stumbled (?:up)?on|"
    r"discovered|found) (?:your|this) (?:\w+ )?(?:blog|weblog|site|website|web ?page|page)|"
    r"(?:your|this) (?:blog|weblog|website) (?:layout|is)|you are a (?:very )?skilled blogger|"
    r"a very skilled blogger).{0,160}|.{0,60}skilled blogger.{0,60})|(?:first|\+1|bump|lol|"
    r"following|this|me too|so true|agreed?|nice|great|cool|wow|thanks?(?: you)?)[!.]*",
    re.IGNORECASE,
)
PROSE_END = re.compile(r"[。！？”」][\s”」)）]*$|[.!?][\"')\]]*$")
